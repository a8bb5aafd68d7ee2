package websocket_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/internal/poll"
	"zocalo/internal/testenv"
	_ "zocalo/iso"
	"zocalo/layer/internal/layertest"
	"zocalo/layer/tls"
	_ "zocalo/layer/websocket"
	"zocalo/socket"
)

func TestMain(m *testing.M) { testenv.Main(m, poll.ClosePipes) }

const patience = layertest.Patience

var server, dial = layertest.Serve, layertest.Dial

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// accepting is one connection that is to come to a listener.
func accepting(l *zocalo.Listener) func() (*socket.Socket, error) {
	type result struct {
		s   *socket.Socket
		err error
	}
	accepted := make(chan result, 1)
	go func() {
		s, err := l.Accept(context.Background())
		accepted <- result{s, err}
	}()
	return func() (*socket.Socket, error) {
		r := <-accepted
		return r.s, r.err
	}
}

// open returns both ends of a connection to a listener, whose client has more options.
func open(listen, options string) (client, server *socket.Socket, stop func(), err error) {
	l, err := zocalo.Listen(context.Background(), listen)
	if err != nil {
		return nil, nil, nil, err
	}
	defer l.Close()
	accept := accepting(l)
	client, err = zocalo.Dial(context.Background(), l.Address()+options)
	if err != nil {
		return nil, nil, nil, err
	}
	if server, err = accept(); err != nil {
		client.Close()
		return nil, nil, nil, err
	}
	return client, server, func() { client.Close(); server.Close() }, nil
}

// pair is open for a test, which waits for nothing for ever.
func pair(t testing.TB, listen, options string) (client, server *socket.Socket) {
	t.Helper()
	client, server, stop, err := open(listen, options)
	try(t, err)
	t.Cleanup(stop)
	for _, s := range []*socket.Socket{client, server} {
		try(t, s.SetDeadline(time.Now().Add(patience)))
	}
	return client, server
}

// echo sends every message back, and ends as the peer does.
func echo(s *socket.Socket) {
	b := make([]byte, 1<<20)
	for {
		n, err := s.Read(b)
		if err == nil {
			_, err = s.Write(b[:n])
		}
		switch {
		case err == io.EOF:
			s.CloseWrite()
			return
		case err != nil:
			s.Abort()
			return
		}
	}
}

// certificate returns files with a certificate for localhost, and of who signed it.
var certificate = sync.OnceValues(func() (cert, ca string) {
	dir, err := os.MkdirTemp("", "ws-test")
	if err != nil {
		panic(err)
	}
	until := time.Now().Add(24 * time.Hour)
	authority, err := tls.NewAuthority(until)
	if err != nil {
		panic(err)
	}
	issued, err := authority.Issue(until, "localhost", "127.0.0.1")
	if err != nil {
		panic(err)
	}
	cert, ca = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "ca.pem")
	for path, text := range map[string][]byte{cert: issued, ca: authority.Certificate()} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			panic(err)
		}
	}
	return cert, ca
})
