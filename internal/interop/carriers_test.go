package interop

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"zocalo"
	_ "zocalo/iso"
	_ "zocalo/layer/tls"
	"zocalo/socket"
	_ "zocalo/xns"
)

// A carrier is a kind of socket over which a protocol of streams goes.
type carrier struct {
	net.Listener
	address string // to dial
	wrap    func(*socket.Socket) (*socket.Socket, error)
}

// overCarriers runs a test over each kind: of the kernel's, with TLS, and with
// boundaries of messages that the protocol must not see.
func overCarriers(t *testing.T, test func(t *testing.T, c *carrier)) {
	for _, k := range []struct {
		name, address string
		option        string // that who dials needs, too
		messages      bool
	}{
		{"tcp", "tcp:127.0.0.1:0", "", false},
		{"mptcp", "mptcp:127.0.0.1:0", "", false},
		{"unix", "unix:socket", "", false},
		{"tls", "tls:127.0.0.1:0", "", false},
		{"unix-seqpacket", "unix-seqpacket:socket", "", true},
		{"iso", "iso:127.0.0.1:0", "", true},
		{"spp", "spp:0000aa000001:0", ",link=memory:interop", true},
		{"spp-stream", "spp-stream:0000aa000001:0", ",link=memory:interop", false},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			l, err := zocalo.Listen(t.Context(), k.address+k.option)
			lacking(t, err)
			c := &carrier{l.NetListener(), l.Address() + k.option, func(s *socket.Socket) (*socket.Socket, error) { return s, nil }}
			if k.messages {
				c.wrap = socket.StreamOver
			}
			defer c.Close()
			test(t, c)
		})
	}
}

// lacking ends the test where err says that this machine lacks the kind.
func lacking(t *testing.T, err error) {
	t.Helper()
	for _, lacks := range []syscall.Errno{syscall.EPROTONOSUPPORT, syscall.ENOPROTOOPT, syscall.EAFNOSUPPORT, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, lacks) {
			t.Skip(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Accept returns the next connection as a stream.
func (c *carrier) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return c.wrap(conn.(*socket.Socket))
}

// dial connects to the carrier.
func (c *carrier) dial(ctx context.Context) (net.Conn, error) {
	s, err := zocalo.Dial(ctx, c.address)
	if err != nil {
		return nil, err
	}
	return c.wrap(s)
}
