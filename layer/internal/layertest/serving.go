package layertest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/socket"
)

// Patience is how long a test waits for what ought to come.
const Patience = 20 * time.Second

// Serve is a listener whose connections go to a handler. It goes on after a handshake that
// fails.
func Serve(t testing.TB, address string, handle func(*socket.Socket)) *zocalo.Listener {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			s, err := l.Accept(context.Background())
			if errors.Is(err, net.ErrClosed) {
				return
			} else if err != nil {
				continue
			}
			running.Go(func() {
				defer s.Close()
				s.SetDeadline(time.Now().Add(Patience))
				handle(s)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return l
}

// Echo sends every byte back, and ends as the peer does.
func Echo(s *socket.Socket) {
	if _, err := io.Copy(s, s); err != nil {
		s.Abort()
		return
	}
	s.CloseWrite()
}

// Dial is a connection that the test closes.
func Dial(t testing.TB, address string) *socket.Socket {
	t.Helper()
	s, err := zocalo.Dial(t.Context(), address)
	if err == nil {
		t.Cleanup(func() { s.Close() })
		err = s.SetDeadline(time.Now().Add(Patience))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Converse says something, half-closes, and returns the answer to its end.
func Converse(t testing.TB, c net.Conn, say string) string {
	t.Helper()
	_, err := io.WriteString(c, say)
	if err == nil {
		err = c.(interface{ CloseWrite() error }).CloseWrite()
	}
	var b []byte
	if err == nil {
		b, err = io.ReadAll(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
