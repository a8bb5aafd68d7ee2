package quic_test

import (
	"context"
	stdtls "crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo"
	"zocalo/address"
	"zocalo/layer/quic"
	"zocalo/layer/tls"
	"zocalo/socket"
)

// certificate makes files with a certificate for the name test, and its authority's.
func certificate(t testing.TB) (cert, ca string) {
	t.Helper()
	a, err := tls.NewAuthority(time.Now().Add(time.Hour))
	try(t, err)
	text, err := a.Issue(time.Now().Add(time.Hour), "test")
	try(t, err)
	dir := t.TempDir()
	cert, ca = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "ca.pem")
	try(t, os.WriteFile(cert, text, 0o600))
	try(t, os.WriteFile(ca, a.Certificate(), 0o600))
	return cert, ca
}

// bareServer is a server of quic-go's own, over package net; bare is what it does with each
// stream of a connection. The address is for a client.
func bareServer(t testing.TB, protocol string, config *quicgo.Config, bare func(*quicgo.Conn, *quicgo.Stream)) string {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	try(t, err)
	return bareServerAt(t, udp, protocol, config, bare)
}

func bareServerAt(t testing.TB, udp *net.UDPConn, protocol string, config *quicgo.Config, bare func(*quicgo.Conn, *quicgo.Stream)) string {
	t.Helper()
	cert, ca := certificate(t)
	pair, err := stdtls.LoadX509KeyPair(cert, cert)
	try(t, err)
	transport := &quicgo.Transport{Conn: udp}
	l, err := transport.Listen(&stdtls.Config{Certificates: []stdtls.Certificate{pair}, NextProtos: []string{protocol}}, config)
	try(t, err)
	t.Cleanup(func() { transport.Close(); udp.Close() })
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				for {
					s, err := c.AcceptStream(context.Background())
					if err != nil {
						return
					}
					go bare(c, s)
				}
			}()
		}
	}()
	return "quic:" + l.Addr().String() + ",sni=test,ca=" + ca
}

// bareClient is a connection of quic-go's own to a listener.
func bareClient(t testing.TB, at net.Addr, how *quicgo.Config, protocols ...string) (*quicgo.Conn, error) {
	t.Helper()
	config := &stdtls.Config{InsecureSkipVerify: true, NextProtos: protocols}
	c, err := quicgo.DialAddr(t.Context(), at.String(), config, how)
	if err == nil {
		t.Cleanup(func() { c.CloseWithError(0, "") })
	}
	return c, err
}

// Against a server of quic-go's own: under zocalo/1 it sees the byte that announces a stream,
// before anything is said, and with another protocol nothing is added.
func TestBareServer(t *testing.T) {
	for protocol, first := range map[string]string{quic.Protocol: "z", "raw": ""} {
		opened := make(chan string, 1)
		address := bareServer(t, protocol, nil, func(_ *quicgo.Conn, s *quicgo.Stream) {
			b := make([]byte, len(first)+4)
			if _, err := io.ReadFull(s, b[:len(first)]); err != nil {
				opened <- err.Error()
				return
			}
			s.Write([]byte("220 "))
			io.ReadFull(s, b[len(first):])
			opened <- string(b)
			s.Write([]byte("bye"))
			s.Close()
		})
		s := dial(t, address+",alpn="+protocol)
		if first == "" {
			_, err := s.Write([]byte("hola")) // of which the server first hears of the stream
			try(t, err)
		}
		b := make([]byte, 4)
		_, err := io.ReadFull(s, b)
		try(t, err)
		if first != "" {
			_, err = s.Write([]byte("hola"))
			try(t, err)
		}
		if got := <-opened; got != first+"hola" {
			t.Errorf("%s: the server heard %q", protocol, got)
		}
		rest, err := io.ReadAll(s)
		if string(b) != "220 " || string(rest) != "bye" || err != nil {
			t.Errorf("%s: it said %q and %q, %v", protocol, b, rest, err)
		}
	}
}

// What a server of quic-go's own does to a stream comes out as what it is, in our words.
func TestBareServerEnds(t *testing.T) {
	for _, c := range []struct {
		what  string
		does  func(*quicgo.Conn, *quicgo.Stream)
		write bool // it is writing that tells
		errno error
		text  string
	}{
		{"resets", func(_ *quicgo.Conn, s *quicgo.Stream) { s.CancelWrite(7) }, false, syscall.ECONNRESET, "quic: the peer reset the stream (code 7)"},
		{"stops", func(_ *quicgo.Conn, s *quicgo.Stream) { s.CancelRead(8) }, true, syscall.EPIPE, "quic: the peer stopped reading (code 8)"},
		{"closes", func(c *quicgo.Conn, _ *quicgo.Stream) { c.CloseWithError(9, "so\nlong") }, false, syscall.ECONNRESET, `quic: the peer closed the connection (code 9, "so\nlong")`},
	} {
		s := dial(t, bareServer(t, quic.Protocol, nil, c.does))
		var err error
		for err == nil {
			if c.write {
				_, err = s.Write([]byte("x"))
			} else {
				_, err = s.Read(make([]byte, 1))
			}
		}
		if !errors.Is(err, c.errno) || !strings.HasSuffix(err.Error(), c.text) || errors.Is(err, net.ErrClosed) {
			t.Errorf("a server that %s: %v", c.what, err)
		}
	}
}

// A client of quic-go's own: what it must say, and what it is told.
func TestBareClient(t *testing.T) {
	l := server(t, "quic:127.0.0.1:0", echo)
	c, err := bareClient(t, l.Addr(), nil, quic.Protocol)
	try(t, err)
	s, err := c.OpenStream()
	try(t, err)
	_, err = s.Write([]byte("zhola"))
	try(t, err)
	try(t, s.Close())
	if got, err := io.ReadAll(s); string(got) != "hola" || err != nil {
		t.Errorf("%q came back, %v", got, err)
	}

	s, err = c.OpenStream() // which is not announced
	try(t, err)
	_, err = s.Write([]byte("hola"))
	try(t, err)
	var reset *quicgo.StreamError
	if _, err := io.ReadAll(s); !errors.As(err, &reset) {
		t.Errorf("a stream without its first byte ends by %v", err)
	}

	var refused *quicgo.TransportError
	if _, err := bareClient(t, l.Addr(), nil, "h3"); !errors.As(err, &refused) {
		t.Errorf("another protocol: %v", err)
	}
}

// The listener lets a peer open as many streams as it says, and no more.
func TestStreamsAreBounded(t *testing.T) {
	l := server(t, "quic:127.0.0.1:0,streams=3", func(s *socket.Socket) { io.Copy(io.Discard, s) })
	c, err := bareClient(t, l.Addr(), nil, quic.Protocol)
	try(t, err)
	for range 3 {
		s, err := c.OpenStream()
		try(t, err)
		_, err = s.Write([]byte("z"))
		try(t, err)
	}
	if _, err := c.OpenStream(); !errors.Is(err, &quicgo.StreamLimitReachedError{}) {
		t.Errorf("a fourth stream: %v", err)
	}
	if _, err := c.OpenUniStream(); err == nil {
		t.Error("a stream of one direction could be opened, which nobody would accept")
	}
}

// A connection without packets ends when its time is over.
func TestIdle(t *testing.T) {
	address := bareServer(t, quic.Protocol, nil, func(_ *quicgo.Conn, s *quicgo.Stream) { io.Copy(s, s) })
	silent := dial(t, address+",idle-timeout=1,keepalive=0")
	if _, err := io.ReadAll(silent); !errors.Is(err, syscall.ETIMEDOUT) || !strings.HasSuffix(err.Error(), "for the whole idle timeout") {
		t.Errorf("reading: %v", err)
	}
}

// A server that takes connections and no streams is found out within the time of a handshake.
func TestNoStreams(t *testing.T) {
	address := bareServer(t, quic.Protocol, &quicgo.Config{MaxIncomingStreams: -1}, func(*quicgo.Conn, *quicgo.Stream) {})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := zocalo.Dial(ctx, address+",handshake-timeout=2s")
	if !errors.Is(err, syscall.ETIMEDOUT) || !strings.Contains(err.Error(), "no stream within 2 s") {
		t.Errorf("connecting: %v", err)
	}
}

// Once the network says that nobody is there any more, who dials is told so, and has no stream of
// the connection that there was.
func TestServerGone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells which datagram found nobody")
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	try(t, err)
	a, err := address.Parse(bareServerAt(t, udp, quic.Protocol, &quicgo.Config{MaxIncomingStreams: 1 << 20}, func(_ *quicgo.Conn, s *quicgo.Stream) {
		io.Copy(io.Discard, s)
		s.Close()
	}))
	try(t, err)
	if got := converse(t, dialAddress(t, a), "hola"); got != "" {
		t.Errorf("%q came back", got)
	}
	try(t, udp.Close()) // it cannot say goodbye
	for end := time.Now().Add(patience); ; {
		s, err := zocalo.DialAddress(t.Context(), a)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if try(t, err); time.Now().After(end) {
			t.Fatal("a stream is opened to nobody")
		}
		s.Abort() // and waits a while for the answer
	}
}
