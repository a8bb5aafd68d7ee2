package socket_test

import (
	"io"
	"net"
	"testing"

	"github.com/quic-go/quic-go"
)

// BenchmarkQUIC sends parts of 1 MiB one way over one QUIC stream, over this
// package's PacketConn and over a *net.UDPConn. Compare medians of several
// alternating runs: -count 10 -benchtime 100x.
func BenchmarkQUIC(b *testing.B) {
	for _, c := range []struct {
		name string
		open func(testing.TB) net.PacketConn
	}{
		{"zocalo", func(t testing.TB) net.PacketConn { return udp.bound(t).PacketConn() }},
		{"net", func(t testing.TB) net.PacketConn {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			check(t, err)
			t.Cleanup(func() { conn.Close() })
			return conn
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			serverConfig, clientConfig := testTLS(b)
			serverConn, clientConn := c.open(b), c.open(b)
			server, client := &quic.Transport{Conn: serverConn}, &quic.Transport{Conn: clientConn}
			defer server.Close()
			defer client.Close()
			l, err := server.Listen(serverConfig, nil)
			check(b, err)
			received := make(chan error, 1)
			go func() {
				received <- func() error {
					conn, err := l.Accept(b.Context())
					if err != nil {
						return err
					}
					s, err := conn.AcceptUniStream(b.Context())
					if err != nil {
						return err
					}
					_, err = io.Copy(io.Discard, s)
					return err
				}()
			}()
			conn, err := client.Dial(b.Context(), serverConn.LocalAddr(), clientConfig, nil)
			check(b, err)
			s, err := conn.OpenUniStreamSync(b.Context())
			check(b, err)
			data := make([]byte, 1<<20)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				_, err := s.Write(data)
				check(b, err)
			}
			check(b, s.Close())
			check(b, <-received)
			check(b, conn.CloseWithError(0, ""))
		})
	}
}
