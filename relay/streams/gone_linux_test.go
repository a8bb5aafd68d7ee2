package streams_test

import (
	"syscall"
	"testing"

	"zocalo/relay/outcome"
	"zocalo/relay/streams"
	"zocalo/socket"
)

// A peer that waits to be joined is watched: its place is free as soon as it
// has gone, and it keeps it while there is something to do for it.
func TestGoneWhileItWaits(t *testing.T) {
	for _, c := range []struct {
		what string
		kind socket.Kind
		does func(*testing.T, *socket.Socket)
		gone bool
	}{
		{"a reset", tcp, func(t *testing.T, s *socket.Socket) { try(t, s.Abort()) }, true},
		{"a reset after a question", tcp, func(t *testing.T, s *socket.Socket) { writes(t, s, "x"); try(t, s.Abort()) }, true},
		{"a half-close", tcp, func(t *testing.T, s *socket.Socket) { try(t, s.Shutdown(socket.ShutdownWrite)) }, false},
		{"a half-close of a unix stream", unixStream, func(t *testing.T, s *socket.Socket) { try(t, s.Shutdown(socket.ShutdownWrite)) }, false},
		{"a close of a unix stream", unixStream, func(t *testing.T, s *socket.Socket) { try(t, s.Close()) }, true},
		{"its close after it sent something", unixStream, func(t *testing.T, s *socket.Socket) { writes(t, s, "x"); try(t, s.Close()) }, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			waiting := make(chan *streams.Conn, 1)
			r := relaying(t, c.kind, tcp, 1, func(s *service) {
				s.accepted = func(c *streams.Conn) { waiting <- c }
			})
			a := r.client()
			conn := <-waiting
			c.does(t, a)
			if c.gone {
				if e := r.wantsEnding(outcome.Reset); e.Side != outcome.A || e.Errno != syscall.ECONNRESET {
					t.Errorf("%+v", e)
				}
				return
			}
			// What comes after the peer's event finds it waiting.
			mark := r.client()
			<-waiting
			try(t, mark.Abort())
			e := r.wantsEnding(outcome.Reset)
			await(t, "the one that waits is left", func() bool { return r.group.Open() == 1 })
			if e.Side != outcome.A {
				t.Errorf("%+v", e)
			}
			conn.Loop().Post(func() { conn.End(outcome.Finished, outcome.A, "", 0) })
			r.wantsEnding(outcome.Finished)
		})
	}
}
