package join_test

import (
	"bytes"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A server that answers and closes with a part of the request unread has not cut
// its answer: all of it arrives, then its end, although unix tells ECONNRESET of
// it, and what its client sends after that is nobody's.
func TestAnswerWithInputUnread(t *testing.T) {
	for _, kind := range []maker{unix, unixSeqPacket} {
		for _, late := range []bool{false, true} {
			t.Run(kind.name, func(t *testing.T) {
				client, mark := join.End{}, 0
				if kind.name == unixSeqPacket.name {
					client, mark = format("len32"), 4
				}
				j := start(t, tcp, kind, client, join.End{}, join.Options{})
				writes(t, j.a, "\x00\x00\x00\x07request")
				try(t, j.b.WaitRead())
				const pieces, piece = 20, 32 << 10
				go func() {
					defer j.b.Close()
					for range pieces {
						if _, err := j.b.Write(make([]byte, piece)); err != nil {
							t.Error(err)
							return
						}
					}
				}()
				want := int64(pieces * (mark + piece))
				first := make([]byte, 1000)
				if n, err := io.ReadFull(j.a, first); err != nil {
					t.Fatalf("%d bytes of the answer, %v", n, err)
				}
				if late {
					go j.a.Write(bytes.Repeat([]byte("\x00\x00\x00\x04more"), 10_000))
				}
				n, err := io.Copy(io.Discard, j.a)
				if n += 1000; n != want || err != nil {
					t.Errorf("the answer came as %d bytes of %d, then %v", n, want, err)
				}
				j.a.Close()
				r, err := j.over()
				if dropped := err != nil; dropped != (r.How == outcome.Reset) || !late && dropped {
					t.Errorf("Join = %+v, %v", r, err)
				}
			})
		}
	}
}

// whole makes memory streams of which the near one cannot half-close, nor be
// half-closed.
var whole = maker{"whole", func(tb testing.TB) (near, far *socket.Socket) {
	near, far = memory.make(tb)
	return socket.Wrap(wholeEnd{near.Unwrap()}, near.Kind()), far
}}

type wholeEnd struct{ socket.Endpoint }

func (wholeEnd) ClosesWhole() {}

// An end whose end is that of the whole connection takes its pair with it: at
// once, or once the other has finished too, which it has a moment for.
func TestWholeEnd(t *testing.T) {
	for _, test := range []struct {
		far   maker
		lasts time.Duration
	}{{whole, 0}, {memory, 2 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			j := &joined{done: make(chan struct{})}
			var a, b join.End
			a.Socket, j.a = whole.make(t)
			b.Socket, j.b = test.far.make(t)
			j.run(t, a, b, join.Options{IdleAfterEOF: time.Hour})
			writes(t, j.a, "all it said")
			wants(t, j.b, "all it said")
			began := time.Now()
			try(t, j.a.Close())
			wantsEOF(t, j.b)
			r, err := j.over()
			if took := time.Since(began); err != nil || r.How != outcome.Finished || took != test.lasts {
				t.Errorf("%s: Join = %+v, %v after %v", test.far.name, r, err, took)
			}
		})
	}
}

// failing is an end to which nothing can be written any more, and that reads as
// finished, as the kernel does once it has told its error.
type failing struct {
	socket.Endpoint
	err    error
	failed chan struct{}
}

func (f *failing) Write([]byte) (int, error) {
	close(f.failed)
	return 0, os.NewSyscallError("write", f.err)
}

func (f *failing) Read([]byte) (int, error) {
	<-f.failed
	time.Sleep(10 * time.Millisecond) // the writer is told first
	return 0, io.EOF
}

// An error that only the writer is told is no end-of-file to the reader, whatever
// cut the connection.
func TestErrorOfTheWriter(t *testing.T) {
	for _, cause := range []error{syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ECONNABORTED} {
		t.Run(cause.Error(), func(t *testing.T) {
			near, far := memory.make(t)
			defer far.Close()
			bad := socket.Wrap(&failing{near.Unwrap(), cause, make(chan struct{})}, near.Kind())
			j := &joined{done: make(chan struct{}), b: far}
			var a join.End
			a.Socket, j.a = tcp.make(t)
			j.run(t, a, join.End{Socket: bad}, join.Options{})
			writes(t, j.a, "x")
			wantsCut(t, j.a)
			r, err := j.over()
			wantsErr(t, err, cause)
			if r.How != outcome.Reset || r.Side != outcome.B {
				t.Errorf("Join = %+v", r)
			}
		})
	}
}

// An end that takes no more and has finished in order has said all: the far side is
// not reset, which could cut that off, also where it cannot be told of an end alone.
func TestWholeThoughBroken(t *testing.T) {
	near, peer := memory.make(t)
	j := &joined{done: make(chan struct{}), a: peer}
	far, b := memory.make(t)
	j.b = b
	var aborted atomic.Bool
	whole := socket.Wrap(abortable{wholeEnd{far.Unwrap()}, &aborted}, far.Kind())
	bad := socket.Wrap(&failing{near.Unwrap(), syscall.EPIPE, make(chan struct{})}, near.Kind())
	j.run(t, join.End{Socket: bad}, join.End{Socket: whole}, join.Options{})
	writes(t, j.b, "x")
	wantsEOF(t, j.b)
	r, err := j.over()
	wantsErr(t, err, syscall.EPIPE)
	if r.How != outcome.Reset || r.Side != outcome.A || aborted.Load() {
		t.Errorf("Join = %+v, reset %v", r, aborted.Load())
	}
}

type abortable struct {
	wholeEnd
	aborted *atomic.Bool
}

func (a abortable) Abort() error {
	a.aborted.Store(true)
	return a.Close()
}

// A peer that finished and is gone later is noticed, whatever the other does not
// say.
func TestGoneAfterHalfClose(t *testing.T) {
	for _, kind := range []maker{tcp, unix} {
		t.Run(kind.name, func(t *testing.T) {
			j := plain(t, kind, tcp)
			try(t, j.a.Shutdown(socket.ShutdownWrite))
			wantsEOF(t, j.b)
			try(t, j.a.Abort())
			r, _ := j.over()
			if want := (kind.name == tcp.name); (r.How == outcome.Reset) != want {
				t.Errorf("Join = %+v", r)
			}
		})
	}
}

// A message that was cut in its middle never passes for the last one.
func TestCutInsideMessage(t *testing.T) {
	for name, end := range map[string]func(*socket.Socket) error{
		"reset": (*socket.Socket).Abort, "end": (*socket.Socket).CloseWrite,
	} {
		for _, text := range []string{"len32", "netstring"} {
			t.Run(name+" in "+text, func(t *testing.T) {
				j := start(t, tcp, tcp, format(text), format("lines"), join.Options{})
				if text == "len32" {
					writes(t, j.a, "\x00\x00\x00\x05whole\x00\x00\x00\x09on")
				} else {
					writes(t, j.a, "5:whole,9:on")
				}
				wants(t, j.b, "whole\n")
				try(t, end(j.a))
				wantsCut(t, j.b)
				if r, err := j.over(); err == nil || r.How == outcome.Finished || r.From[outcome.A].EndOfFile {
					t.Errorf("Join = %+v, %v", r, err)
				}
			})
		}
	}
}

// A peer that has finished, and is reset by what still comes for it, has not cut
// its answer.
func TestResetAfterTheEnd(t *testing.T) {
	j := plain(t, tcp, tcp)
	writes(t, j.b, "answer")
	try(t, j.b.Shutdown(socket.ShutdownWrite))
	wants(t, j.a, "answer")
	wantsEOF(t, j.a)
	try(t, j.b.Abort())
	writes(t, j.a, "more")
	try(t, j.a.Shutdown(socket.ShutdownWrite)) // no reset has come, though nobody takes it
	if r, err := j.over(); err == nil || r.How != outcome.Reset || r.Side != outcome.B {
		t.Errorf("Join = %+v, %v", r, err)
	}
}
