package socket_test

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo/socket"
)

// Streams that are made of something else are as good as the kernel's.
func TestStreamsOfOthers(t *testing.T) {
	fromConn := func(t *testing.T, c net.Conn) *socket.Socket {
		s, err := socket.FromConn(c)
		check(t, err)
		return s
	}
	for _, k := range []struct {
		name string
		make func(t *testing.T) (a, b *socket.Socket)
	}{
		{"FromConn of net.Pipe", func(t *testing.T) (a, b *socket.Socket) {
			x, y := net.Pipe()
			return fromConn(t, x), fromConn(t, y)
		}},
		{"FromConn of tcp", func(t *testing.T) (a, b *socket.Socket) {
			x, y := netPair(t, "tcp")
			return fromConn(t, x), fromConn(t, y)
		}},
		{"StreamOver", func(t *testing.T) (a, b *socket.Socket) {
			x, y := unixSeqPacket.pair(t)
			a, err := socket.StreamOver(x)
			check(t, err)
			b, err = socket.StreamOver(y)
			check(t, err)
			return a, b
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
				a, b := k.make(t)
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}
