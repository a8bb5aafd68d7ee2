package quic_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo"
	"zocalo/socket"
)

func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		l, err := zocalo.Listen(context.Background(), "quic:127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer l.Close()
		accepted := make(chan *socket.Socket, 1)
		go func() {
			s, _ := l.Accept(context.Background())
			accepted <- s
		}()
		a, err := zocalo.Dial(context.Background(), l.Address())
		if err != nil {
			return nil, nil, nil, err
		}
		b := <-accepted
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

// A conversation over each version of IP, and one in which the server speaks first.
func TestConversation(t *testing.T) {
	for _, address := range []string{"quic:127.0.0.1:0", "quic:[::1]:0", "quic:localhost:0", "quic:any:0"} {
		l := server(t, address, echo)
		for _, n := range l.Names() {
			to := n.AddrPort()
			if a := to.Addr(); a.IsUnspecified() && a.Is4() {
				to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port())
			} else if a.IsUnspecified() {
				to = netip.AddrPortFrom(netip.IPv6Loopback(), to.Port())
			}
			reach := strings.Replace(l.Address(), l.Name().String(), to.String(), 1)
			if got := converse(t, dial(t, reach), "hola"); got != "hola" {
				t.Errorf("%s: %q came back", reach, got)
			}
		}
	}
	l := server(t, "quic:127.0.0.1:0", func(s *socket.Socket) { s.Write([]byte("220 ready")) })
	if got := converse(t, dial(t, l.Address()), ""); got != "220 ready" {
		t.Errorf("the server said %q", got)
	}
}

// Where nobody is, the network says so at once.
func TestNobodyThere(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells which datagram found nobody")
	}
	free, err := zocalo.Listen(t.Context(), "udp:127.0.0.1:0")
	try(t, err)
	at := free.Name().String()
	try(t, free.Close())
	_, err = zocalo.Dial(t.Context(), "quic:"+at)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting to where nobody is: %v", err)
	}
}
