package streams_test

import (
	"errors"
	"io"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A reset of either side passes to the other, after the bytes before it.
func TestReset(t *testing.T) {
	kinds(t, func(t *testing.T, from, to socket.Kind) {
		for _, side := range []outcome.Side{outcome.A, outcome.B} {
			r := relaying(t, from, to, 1, nil)
			var ends [2]*socket.Socket
			ends[outcome.A], ends[outcome.B] = r.pair()
			near, far := ends[side], ends[1-side]
			writes(t, near, "x")
			wants(t, far, "x")
			try(t, near.Abort())
			if near.Domain() == socket.Unix { // which knows no reset
				wantsEOF(t, far)
				continue
			}
			wantsReset(t, far)
			if e := r.wantsEnding(outcome.Reset); e.Side != side || e.Errno != syscall.ECONNRESET {
				t.Errorf("%+v", e)
			}
		}
	})
}

// A side that takes no more is still heard to its end; then the other is
// reset, since bytes of it were lost.
func TestTakesNoMore(t *testing.T) {
	r := relaying(t, unixStream, tcp, 1, nil)
	a, b := r.pair()
	writes(t, a, "last words")
	try(t, a.Close())
	wants(t, b, "last words")
	wantsEOF(t, b)
	// The kernel tells whoever writes to a that nobody reads.
	writes(t, b, "into nothing")
	wantsReset(t, b)
	if e := r.wantsEnding(outcome.Reset); e.Side != outcome.A || e.Errno != syscall.EPIPE {
		t.Errorf("%+v", e)
	}
}

// The reset of a side that has finished already, and is only written to.
func TestResetAfterEOF(t *testing.T) {
	r := relaying(t, tcp, tcp, 1, nil)
	a, b := r.pair()
	try(t, a.Shutdown(socket.ShutdownWrite))
	wantsEOF(t, b)
	try(t, a.Abort())
	wantsReset(t, b)
	r.wantsEnding(outcome.Reset)
}

// A side is reset while the other takes nothing: nobody waits for ever.
func TestResetWhileBlocked(t *testing.T) {
	r := relaying(t, tcp, tcp, 1, nil)
	a, b := r.pair()
	fill(t, a)
	try(t, a.Abort())
	r.wantsEnding(outcome.Reset)
	wantsReset(t, b)
}

// fill writes to s until nothing more goes, and returns how much did.
func fill(t testing.TB, s *socket.Socket) (bytes int) {
	t.Helper()
	b := make([]byte, 1<<16)
	for {
		try(t, s.SetWriteDeadline(soon()))
		n, err := s.Write(b)
		bytes += n
		if err != nil {
			try(t, s.SetWriteDeadline(never))
			return bytes
		}
	}
}

// A reset in the middle of bulk, which is spliced, is none that finished in
// order: splice(2) tells of it once.
func TestResetInBulk(t *testing.T) {
	for _, side := range []outcome.Side{outcome.A, outcome.B} {
		r := relaying(t, tcp, tcp, 1, nil)
		var ends [2]*socket.Socket
		ends[outcome.A], ends[outcome.B] = r.pair()
		near, far := ends[side], ends[1-side]
		done := make(chan struct{})
		go func() {
			defer close(done)
			for b := make([]byte, 1<<18); ; {
				if _, err := near.Write(b); err != nil {
					return
				}
			}
		}()
		b := make([]byte, 1<<18)
		for got := 0; got < 32<<20; {
			n, err := far.Read(b)
			try(t, err)
			got += n
		}
		try(t, near.Abort())
		<-done
		var err error
		for err == nil {
			_, err = far.Read(b)
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("side %d: %v, want a reset", side, err)
		}
		r.wantsEnding(outcome.Reset)
	}
}

// A unix stream that is closed with unread input has sent what it sent: all of
// it arrives, and its end, while the other one still writes.
func TestClosedWithUnreadInput(t *testing.T) {
	// As much as there is room for where nobody reads.
	for from, bytes := range map[socket.Kind]int64{tcp: 1 << 20, unixStream: 100 << 10} {
		t.Run(from.String(), func(t *testing.T) {
			r := relaying(t, from, unixStream, 1, nil)
			a, b := r.pair()
			writes(t, a, "question and more that nobody reads")
			wants(t, b, "question")
			go func() {
				b.Write(make([]byte, bytes))
				b.Close()
			}()
			writing := make(chan struct{})
			go func() { // before it reads anything
				defer close(writing)
				for range 64 {
					if _, err := a.Write(make([]byte, 1<<18)); err != nil {
						t.Error(err)
					}
				}
			}()
			<-writing
			if n, err := io.Copy(io.Discard, onlyReader{a}); n != bytes || err != nil {
				t.Errorf("%d of %d bytes, then %v", n, bytes, err)
			}
			try(t, a.Close())
			if e := r.wantsEnding(outcome.Reset); e.Side != outcome.B {
				t.Errorf("%+v", e)
			}
		})
	}
}

type onlyReader struct{ io.Reader }

// What finished in order arrives whole, though a reset follows while the other
// side does not read yet.
func TestResetDoesNotOvertake(t *testing.T) {
	for from, bytes := range map[socket.Kind]int64{tcp: 1 << 20, unixStream: 300 << 10} {
		t.Run(from.String(), func(t *testing.T) {
			r := relaying(t, from, tcp, 1, nil)
			a, b := r.pair()
			if _, err := b.Write(make([]byte, bytes)); err != nil {
				t.Fatal(err)
			}
			try(t, b.Shutdown(socket.ShutdownWrite))
			await(t, "it has left", func() bool {
				return must(unix.IoctlGetInt(fdOf(t, b), unix.TIOCOUTQ))(t) == 0
			})
			try(t, b.Abort())
			if n, err := io.Copy(io.Discard, onlyReader{a}); n != bytes || err != nil {
				t.Errorf("%d of %d bytes, then %v", n, bytes, err)
			}
			r.wantsEnding(outcome.Reset)
		})
	}
}
