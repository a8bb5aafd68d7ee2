package xns

import (
	"context"
	"io"
	"net"
	"testing"

	"zocalo/socket"
)

// BenchmarkStream moves octets one way, in writes of 16 KiB.
func BenchmarkStream(b *testing.B) {
	overUDP := func() hosts {
		far := must[Link](b)(OpenLink(context.Background(), "udp-listen:127.0.0.1:0", idB))
		near := must[Link](b)(OpenLink(context.Background(), "udp:"+far.(*udp).LocalAddr().String(), idA))
		return hosts{NewHost(near), NewHost(far)}
	}
	large := func(s *socket.Socket) error { return MTU.Set(s, 1458) }
	for _, c := range []struct {
		name string
		mk   func() hosts
		set  func(*socket.Socket) error
	}{{"memory", inMemory, nil}, {"memory/1458", inMemory, large}, {"udp", overUDP, nil}, {"udp/1458", overUDP, large}} {
		b.Run(c.name, func(b *testing.B) {
			x, y, stop, err := connected(listening(c.mk, socket.Stream, c.set))()
			if err != nil {
				b.Fatal(err)
			}
			defer stop()
			transfer(b, x, y)
		})
	}
	b.Run("tcp", func(b *testing.B) {
		l := must[net.Listener](b)(net.Listen("tcp", "127.0.0.1:0"))
		defer l.Close()
		x := must[net.Conn](b)(net.Dial("tcp", l.Addr().String()))
		defer x.Close()
		y := must[net.Conn](b)(l.Accept())
		defer y.Close()
		transfer(b, x, y)
	})
}

func transfer(b *testing.B, x, y net.Conn) {
	const size = 16 << 10
	b.SetBytes(size)
	b.ReportAllocs()
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, struct{ io.Reader }{y}, int64(b.N)*size)
		done <- err
	}()
	data := make([]byte, size)
	for range b.N {
		if _, err := x.Write(data); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
