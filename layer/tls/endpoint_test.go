package tls_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo"
	"zocalo/socket"
)

// pinned returns the address that a listener's notice tells.
func pinned(t testing.TB, l *zocalo.Listener) string {
	t.Helper()
	if n := l.Notices(); len(n) != 1 || !strings.HasSuffix(n[0], "zocalo talk "+l.Address()) {
		t.Errorf("the listener says %q", n)
	}
	return l.Address()
}

// pair returns both ends of a connection to the address.
func pair(t testing.TB, listen string) (client, server *socket.Socket, stop func(), err error) {
	return pairWith(t, listen, "")
}

// pairWith is pair whose client has more options.
func pairWith(t testing.TB, listen, options string) (client, server *socket.Socket, stop func(), err error) {
	l, err := zocalo.Listen(context.Background(), listen)
	if err != nil {
		return nil, nil, nil, err
	}
	defer l.Close()
	type result struct {
		s   *socket.Socket
		err error
	}
	accepted := make(chan result, 1)
	go func() {
		s, err := l.Accept(context.Background())
		accepted <- result{s, err}
	}()
	client, err = zocalo.Dial(context.Background(), pinned(t, l)+options)
	if err != nil {
		return nil, nil, nil, err
	}
	r := <-accepted
	if r.err != nil {
		client.Close()
		return nil, nil, nil, r.err
	}
	return client, r.s, func() { client.Close(); r.s.Close() }, nil
}

// carriers are what TLS is tried over.
func carriers(t *testing.T) map[string]string {
	return map[string]string{
		"tls":            "tls:127.0.0.1:0",
		"tls+unix":       "tls+unix:" + filepath.Join(t.TempDir(), "s"),
		"tls+iso":        "tls+iso:127.0.0.1:0",
		"tls+iso-stream": "tls+iso-stream:127.0.0.1:0",
		"tls+seqpacket":  "tls+unix-seqpacket:" + filepath.Join(t.TempDir(), "s"),
	}
}

func TestConn(t *testing.T) {
	for name, address := range carriers(t) {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
				a, b, stop, err := pair(t, address)
				return a, b, stop, err
			})
		})
	}
}
