package loop_test

import (
	"syscall"
	"testing"

	"zocalo/internal/loop"
	"zocalo/socket"
)

// A reset of either side passes to the other, after the octets before it.
func TestReset(t *testing.T) {
	kinds(t, func(t *testing.T, from, to socket.Kind) {
		for _, side := range []int{loop.A, loop.B} {
			r := relaying(t, from, to, 1, nil)
			var ends [2]*socket.Socket
			ends[loop.A], ends[loop.B] = r.pair()
			near, far := ends[side], ends[1-side]
			writes(t, near, "x")
			wants(t, far, "x")
			try(t, near.Abort())
			if near.Domain() == socket.Unix { // which knows no reset
				wantsEOF(t, far)
				continue
			}
			wantsReset(t, far)
			if e := r.wantsEnding(loop.Reset); e.Side != side || e.Errno != syscall.ECONNRESET {
				t.Errorf("%+v", e)
			}
		}
	})
}

// A side that takes no more is still heard to its end; then the other is
// reset, since octets of it were lost.
func TestTakesNoMore(t *testing.T) {
	r := relaying(t, unixStream, tcp, 1, nil)
	a, b := r.pair()
	writes(t, a, "last words")
	try(t, a.Close())
	wants(t, b, "last words")
	wantsEOF(t, b)
	// The kernel tells who writes to a that nobody reads.
	writes(t, b, "into nothing")
	wantsReset(t, b)
	if e := r.wantsEnding(loop.Reset); e.Side != loop.A || e.Errno != syscall.EPIPE {
		t.Errorf("%+v", e)
	}
}

// The reset of a side that has finished already, and is only written to.
func TestResetAfterEOF(t *testing.T) {
	r := relaying(t, tcp, tcp, 1, nil)
	a, b := r.pair()
	try(t, a.Shutdown(socket.Write))
	wantsEOF(t, b)
	try(t, a.Abort())
	wantsReset(t, b)
	r.wantsEnding(loop.Reset)
}

// A side is reset while the other takes nothing: nobody waits for ever.
func TestResetWhileBlocked(t *testing.T) {
	r := relaying(t, tcp, tcp, 1, nil)
	a, b := r.pair()
	fill(t, a)
	try(t, a.Abort())
	r.wantsEnding(loop.Reset)
	wantsReset(t, b)
}

// fill writes to s until nothing more goes, and returns how much did.
func fill(t testing.TB, s *socket.Socket) (octets int) {
	t.Helper()
	b := make([]byte, 1<<16)
	for {
		try(t, s.SetWriteDeadline(soon()))
		n, err := s.Write(b)
		octets += n
		if err != nil {
			try(t, s.SetWriteDeadline(never))
			return octets
		}
	}
}
