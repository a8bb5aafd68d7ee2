package join_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// eachPair runs a test for every two of the makers.
func eachPair(t *testing.T, makers []maker, test func(t *testing.T, a, b maker)) {
	for _, a := range makers {
		for _, b := range makers {
			t.Run(a.name+" to "+b.name, func(t *testing.T) { test(t, a, b) })
		}
	}
}

func TestConn(t *testing.T) {
	eachPair(t, streams, func(t *testing.T, a, b maker) {
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			j := plain(t, a, b)
			return j.a, j.b, func() {
				j.a.Close()
				j.b.Close()
				j.end()
				j.over()
			}, nil
		})
	})
}

func TestHalfClose(t *testing.T) {
	eachPair(t, streams, func(t *testing.T, a, b maker) {
		j := plain(t, a, b)
		writes(t, j.a, "question")
		try(t, j.a.Shutdown(socket.ShutdownWrite))
		wants(t, j.b, "question")
		wantsEOF(t, j.b)
		for range 3 {
			writes(t, j.b, "answer")
			wants(t, j.a, "answer")
		}
		try(t, j.b.Shutdown(socket.ShutdownWrite))
		wantsEOF(t, j.a)
		r, err := j.over()
		want := outcome.Result{
			From: [2]outcome.Flow{
				{Bytes: 8, EndOfFile: true, EndOfFileTold: true},
				{Bytes: 18, EndOfFile: true, EndOfFileTold: true},
			},
			Duration: r.Duration,
		}
		if err != nil || r != want {
			t.Errorf("Join = %+v, %v, want %+v", r, err, want)
		}
	})
}

// Both ways at once, more than any buffer, byte by byte.
func TestBulk(t *testing.T) {
	size := 4 << 20
	if testing.Short() {
		size = 1 << 20
	}
	eachPair(t, streams, func(t *testing.T, a, b maker) {
		j := plain(t, a, b)
		var all sync.WaitGroup
		send := func(s *socket.Socket, seed byte) {
			all.Go(func() {
				if _, err := s.Write(noise(size, seed)); err != nil {
					t.Errorf("write: %v", err)
				}
				s.Shutdown(socket.ShutdownWrite)
			})
		}
		take := func(s *socket.Socket, seed byte) {
			all.Go(func() {
				if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, noise(size, seed)) {
					t.Errorf("%d bytes arrived, %v: not the %d sent", len(got), err, size)
				}
			})
		}
		send(j.a, 1)
		send(j.b, 2)
		take(j.b, 1)
		take(j.a, 2)
		all.Wait()
		r, err := j.over()
		if err != nil || r.How != outcome.Finished || r.From[outcome.A].Bytes != int64(size) || r.From[outcome.B].Bytes != int64(size) {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}

func noise(size int, seed byte) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func TestResetPasses(t *testing.T) {
	eachPair(t, []maker{tcp, memory}, func(t *testing.T, a, b maker) {
		j := plain(t, a, b)
		writes(t, j.a, "x")
		wants(t, j.b, "x")
		try(t, j.a.Abort())
		_, err := j.b.Read(make([]byte, 1))
		wantsErr(t, err, syscall.ECONNRESET)
		wantsReset(t, j)
	})
}

func wantsReset(t *testing.T, j *joined) {
	t.Helper()
	r, err := j.over()
	var end *outcome.EndError
	if r.How != outcome.Reset || r.Side != outcome.A || !errors.As(err, &end) || end.Side != outcome.A {
		t.Errorf("Join = %+v, %v, want a reset of A", r, err)
	}
}

// The kernel tells a reset once, and here the flow that writes may be told in
// place of the one that reads, which then sees an end-of-file.
func TestResetWhileWriting(t *testing.T) {
	for _, a := range []maker{tcp, memory} {
		t.Run(a.name, func(t *testing.T) {
			for range 10 {
				j := plain(t, a, tcp)
				block(t, j.b)
				try(t, j.a.Abort())
				_, err := j.b.Read(make([]byte, 1))
				wantsErr(t, err, syscall.ECONNRESET)
				wantsReset(t, j)
			}
		})
	}
}

// block writes to s until nothing moves any more.
func block(t *testing.T, s *socket.Socket) {
	t.Helper()
	try(t, s.SetWriteDeadline(time.Now().Add(30*time.Millisecond)))
	for b := make([]byte, 1<<16); ; {
		if _, err := s.Write(b); err != nil {
			wantsErr(t, err, os.ErrDeadlineExceeded)
			return
		}
	}
}

// A peer that takes no more still sends all it has, to its end in order. That
// bytes of the other were lost is what the join says.
func TestPeerStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := plain(t, memory, memory)
		try(t, j.b.Shutdown(socket.ShutdownRead))
		writes(t, j.a, "lost")
		synctest.Wait()
		writes(t, j.b, "still", "here")
		wants(t, j.a, "stillhere")
		try(t, j.b.Shutdown(socket.ShutdownWrite))
		wantsEOF(t, j.a)
		r, err := j.over()
		wantsErr(t, err, syscall.EPIPE)
		if r.How != outcome.Reset || r.Side != outcome.B || r.From[outcome.A].EndOfFile || !r.From[outcome.B].EndOfFileTold {
			t.Errorf("Join = %+v", r)
		}
	})
}

// A file has neither half-close nor peer, and a pipe goes one way.
func TestFiles(t *testing.T) {
	in, feed, err := os.Pipe()
	try(t, err)
	file := must(os.Create(inTemp(t, "copy")))(t)
	defer file.Close()
	j := &joined{done: make(chan struct{})}
	near, far := unix.make(t)
	j.a, j.b = far, must(socket.FromFile(feed))(t)
	feed.Close()
	s := must(socket.FromFile(in))(t)
	in.Close()
	j.run(t, join.End{Socket: near}, join.End{Socket: s}, join.Options{})
	writes(t, j.b, "through the pipe")
	wants(t, j.a, "through the pipe")
	try(t, j.b.Close())
	wantsEOF(t, j.a)
	try(t, j.a.Close())
	if r, err := j.over(); err != nil || r.How != outcome.Finished {
		t.Errorf("Join = %+v, %v", r, err)
	}
}

func TestWriteOnlyFile(t *testing.T) {
	path := inTemp(t, "copy")
	file := must(os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600))(t)
	j := &joined{done: make(chan struct{})}
	near, far := tcp.make(t)
	j.a, j.b = far, far
	s := must(socket.FromFile(file))(t)
	file.Close()
	j.run(t, join.End{Socket: near}, join.End{Socket: s}, join.Options{})
	writes(t, j.a, "kept")
	try(t, j.a.Close())
	r, err := j.over()
	if err != nil || r.How != outcome.Finished || r.From[outcome.B].EndOfFile {
		t.Errorf("Join = %+v, %v", r, err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "kept" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

// A pipe that nobody reads any more ends the join, and who wrote is reset.
func TestBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	try(t, err)
	j := &joined{done: make(chan struct{})}
	near, far := tcp.make(t)
	j.a, j.b = far, far
	s := must(socket.FromFile(w))(t)
	w.Close()
	r.Close()
	j.run(t, join.End{Socket: near}, join.End{Socket: s}, join.Options{})
	writes(t, j.a, "to nobody")
	_, err = j.over()
	wantsErr(t, err, syscall.EPIPE)
	_, err = j.a.Read(make([]byte, 1))
	wantsErr(t, err, syscall.ECONNRESET)
}

// The same where the far end could still be read, but is no connection.
func TestBrokenUnconnected(t *testing.T) {
	j := plain(t, unix, promising("nothing", socket.Properties{}))
	try(t, j.b.Shutdown(socket.ShutdownRead))
	writes(t, j.a, "to nobody")
	r, err := j.over()
	wantsErr(t, err, syscall.EPIPE)
	if r.Side != outcome.B {
		t.Errorf("Join = %+v", r)
	}
}
