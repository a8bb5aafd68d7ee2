package quic_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"zocalo"
	"zocalo/layer/quic"
	"zocalo/socket"
)

// Close ends a Connect, however far that has come, of a bound socket and of one that is not;
// where nobody answers nothing else does.
func TestCloseWhileConnecting(t *testing.T) {
	silent, err := zocalo.Listen(t.Context(), "udp:127.0.0.1:0")
	try(t, err)
	defer silent.Close()
	s := dial(t, server(t, "quic:127.0.0.1:0", echo).Address()+",handshake-timeout=1h")
	for i := range 100 {
		c := quic.Like(s)
		if i%2 == 0 {
			try(t, c.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))))
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Connect(t.Context(), silent.Name()) }()
		try(t, c.Close())
		if err := next(t, ended); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("Connect of a socket that is closed: %v", err)
		}
		if err := quic.DialLate(c); err != net.ErrClosed {
			t.Fatalf("a closed socket dials: %v", err)
		}
	}
}
