package quic_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo"
	"zocalo/address"
	"zocalo/layer/quic"
	"zocalo/socket"
)

// told is what a listener was told of a handshake.
type told struct {
	peer  socket.Name
	facts string
	err   error
}

// listener listens, accepts, and passes on what it is told of handshakes.
func listener(t *testing.T, options string) (*zocalo.Listener, <-chan told) {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), "quic:127.0.0.1:0"+options)
	try(t, err)
	all := make(chan told, 100)
	l.OnHandshake(func(c *socket.Socket, err error) {
		all <- told{c.Peer(), c.Facts().String(), err}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			s, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			s.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l, all
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// A listener tells of each handshake: what it came to, or why it came to nothing; who has
// connected is told why in words too.
func TestHandshakes(t *testing.T) {
	cert, ca := certificate(t)
	l, all := listener(t, ",cert="+cert)
	at := "quic:" + l.Name().String()
	s := dial(t, at+",sni=test,ca="+ca)
	if is := next(t, all); is.err != nil || is.peer != s.Name() || !strings.Contains(is.facts, "version TLSv1.3") || !strings.Contains(is.facts, "alpn "+quic.Protocol) {
		t.Errorf("the listener was told %+v", is)
	}
	for options, want := range map[string]string{
		",sni=other,ca=" + ca:        "certificate is for test, not other",
		"":                           "certificate is for test, not 127.0.0.1",
		",sni=test,alpn=h3,ca=" + ca: `"no application protocol"`,
	} {
		if _, err := zocalo.Dial(t.Context(), at+options); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CRYPTO_ERROR") {
			t.Errorf("with %s: %v", options, err)
		}
		if is := next(t, all); is.err == nil {
			t.Errorf("with %s the listener was told of success", options)
		}
	}
}

// A client learns after its own handshake that it has shown no certificate.
func TestCertificateMissing(t *testing.T) {
	cert, ca := certificate(t)
	l, all := listener(t, ",cert="+cert+",client-ca="+ca)
	s, err := zocalo.Dial(t.Context(), "quic:"+l.Name().String()+",sni=test,ca="+ca)
	if err == nil {
		defer s.Close()
		_, err = s.Read(make([]byte, 1))
	}
	if err == nil || !strings.Contains(err.Error(), "the peer refused") || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("reading: %v", err)
	}
	if is := next(t, all); is.err == nil {
		t.Error("the listener was told of success")
	}
}

// A client that opens no stream has the time of a handshake, and no more.
func TestClientWithoutStream(t *testing.T) {
	l, all := listener(t, ",handshake-timeout=2s")
	c, err := bareClient(t, l.Addr(), nil, quic.Protocol)
	try(t, err)
	next(t, c.Context().Done())
	var closed *quicgo.ApplicationError
	if err := context.Cause(c.Context()); !errors.As(err, &closed) || !closed.Remote {
		t.Errorf("it ended by %v", err)
	}
	if is := next(t, all); is.err == nil || !strings.Contains(is.err.Error(), "open a stream within 2 s") {
		t.Errorf("the listener was told %+v", is)
	}
}

// Who is not admitted has no handshake, and is told so.
func TestNotAdmitted(t *testing.T) {
	l, all := listener(t, "")
	a, _ := socket.As[socket.Admitter](l.Sockets()[0])
	asked := make(chan socket.Name, 1)
	a.Admit(func(c *socket.Socket) bool {
		asked <- c.Peer()
		c.Abort()
		return false
	})
	if _, err := zocalo.Dial(t.Context(), l.Address()); !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "the peer is not accepting connections") {
		t.Errorf("connecting: %v", err)
	}
	if n := next(t, asked).AddrPort(); !n.Addr().IsLoopback() {
		t.Errorf("the listener was asked about %v", n)
	}
	if len(all) > 0 {
		t.Errorf("the listener was told of a handshake: %+v", <-all)
	}
}

// Connections go on when the listener is closed, and new streams of them are reset.
func TestListenerClosed(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "quic:127.0.0.1:0")
	try(t, err)
	c, err := bareClient(t, l.Addr(), nil, quic.Protocol)
	try(t, err)
	s, err := c.OpenStream()
	try(t, err)
	_, err = s.Write([]byte("zhola"))
	try(t, err)
	served, err := l.Accept(t.Context())
	try(t, err)
	defer served.Close()
	try(t, l.Close())
	b := make([]byte, 10)
	n, err := served.Read(b)
	try(t, err)
	if string(b[:n]) != "hola" {
		t.Errorf("read %q", b[:n])
	}
	s, err = c.OpenStream()
	try(t, err)
	_, err = s.Write([]byte("z"))
	try(t, err)
	var reset *quicgo.StreamError
	if _, err := s.Read(b); !errors.As(err, &reset) {
		t.Errorf("a stream that nobody will accept: %v", err)
	}
}

// Who dials after a server has begun anew has one failure at most from the connection to the
// first: then it dials another.
func TestListenerRestarted(t *testing.T) {
	cert, ca := certificate(t)
	l, err := zocalo.Listen(t.Context(), "quic:127.0.0.1:0,cert="+cert)
	try(t, err)
	name := l.Name().String()
	a, err := address.Parse("quic:" + name + ",sni=test,ca=" + ca)
	try(t, err)
	first := dialAddress(t, a)
	served, err := l.Accept(t.Context())
	try(t, err)
	defer served.Close()
	try(t, l.Close())
	server(t, "quic:"+name+",cert="+cert, echo)
	late := dialAddress(t, a)
	try(t, late.SetDeadline(time.Now().Add(patience)))
	_, err = late.Read(make([]byte, 1))
	if !errors.Is(err, syscall.ECONNRESET) || !strings.Contains(err.Error(), "no longer accepts streams") {
		t.Errorf("a stream that nobody will accept: %v", err)
	}
	again := dialAddress(t, a)
	try(t, again.SetDeadline(time.Now().Add(patience)))
	if got := converse(t, again, "hola"); got != "hola" || again.Name() == first.Name() {
		t.Errorf("%q came back, to %v", got, again.Name())
	}
}
