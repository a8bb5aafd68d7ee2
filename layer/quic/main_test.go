package quic_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/internal/testenv"
	"zocalo/layer/quic"
	"zocalo/socket"
)

func TestMain(m *testing.M) { testenv.Main(m, quic.CloseIdle) }

// patience is how long a test waits for what ought to come.
const patience = 20 * time.Second

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server is a listener whose connections go to a handler.
func server(t testing.TB, address string, handle func(*socket.Socket)) *zocalo.Listener {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), address)
	try(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			s, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			running.Go(func() {
				defer s.Close()
				s.SetDeadline(time.Now().Add(patience))
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

// echo sends everything back, and ends as the peer does.
func echo(s *socket.Socket) {
	if _, err := io.Copy(s, s); err != nil {
		s.Abort()
		return
	}
	s.CloseWrite()
}

func dial(t testing.TB, address string) *socket.Socket {
	t.Helper()
	s, err := zocalo.Dial(t.Context(), address)
	try(t, err)
	t.Cleanup(func() { s.Close() })
	try(t, s.SetDeadline(time.Now().Add(patience)))
	return s
}

// converse says something, half-closes, and reads the answer to its end.
func converse(t testing.TB, s *socket.Socket, say string) string {
	t.Helper()
	_, err := io.WriteString(s, say)
	try(t, err)
	try(t, s.CloseWrite())
	b, err := io.ReadAll(s)
	try(t, err)
	return string(b)
}

// pair returns both ends of a stream.
func pair(t testing.TB, options string) (client, server *socket.Socket) {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), "quic:127.0.0.1:0")
	try(t, err)
	t.Cleanup(func() { l.Close() })
	accepted := make(chan *socket.Socket, 1)
	go func() {
		defer close(accepted)
		if s, err := l.Accept(t.Context()); err == nil {
			accepted <- s
		}
	}()
	client = dial(t, l.Address()+options)
	server = <-accepted
	if server == nil {
		t.Fatal("nothing was accepted")
	}
	t.Cleanup(func() { server.Close() })
	try(t, server.SetDeadline(time.Now().Add(patience)))
	return client, server
}
