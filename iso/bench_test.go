package iso

import (
	"context"
	"io"
	"net/netip"
	"sync"
	"testing"

	"zocalo/socket"
	"zocalo/socket/option"
)

// benchPair returns both ends of a connection: of TCP through package socket,
// for comparison, if size is 0, else with that size of TPDUs.
func benchPair(b *testing.B, typ socket.Type, size int) (client, server *socket.Socket) {
	b.Helper()
	if size > 0 {
		l := listen(b, typ, "bench", with(TPDUSize, size))
		client := opened(b, typ)
		with(TPDUSize, size)(client)
		if err := client.Connect(b.Context(), l.Name()); err != nil {
			b.Fatal(err)
		}
		server, err := l.Accept(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { server.Close() })
		return client, server
	}
	tcp := func() *socket.Socket {
		s, err := socket.New(socket.Inet, socket.Stream, 0)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		option.NoDelay.Set(s, true)
		return s
	}
	l := tcp()
	if err := l.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
		b.Fatal(err)
	}
	l.Listen(0)
	client = tcp()
	if err := client.Connect(b.Context(), l.Name()); err != nil {
		b.Fatal(err)
	}
	server, err := l.Accept(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Close() })
	return client, server
}

var benchSizes = []struct {
	name string
	size int
}{{"tcp", 0}, {"tpdu=8192", 8192}, {"tpdu=65531", 65531}}

// BenchmarkThroughput sends messages of 64 KiB one way.
func BenchmarkThroughput(b *testing.B) {
	const message = 64 << 10
	for _, s := range benchSizes {
		b.Run(s.name, func(b *testing.B) {
			client, server := benchPair(b, socket.SeqPacket, s.size)
			data := make([]byte, message)
			var all sync.WaitGroup
			b.SetBytes(message)
			b.ReportAllocs()
			b.ResetTimer()
			all.Go(func() {
				buffer := make([]byte, message)
				for left := b.N * message; left > 0; {
					n, err := server.Read(buffer)
					if err != nil {
						b.Errorf("Read: %v", err)
						return
					}
					left -= n
				}
			})
			for range b.N {
				if _, err := client.Write(data); err != nil {
					b.Fatal(err)
				}
			}
			all.Wait()
		})
	}
}

// BenchmarkRoundTrip has 200 bytes go there and back, as an S7 read.
func BenchmarkRoundTrip(b *testing.B) {
	const message = 200
	for _, s := range benchSizes {
		b.Run(s.name, func(b *testing.B) {
			client, server := benchPair(b, socket.SeqPacket, s.size)
			var all sync.WaitGroup
			all.Go(func() {
				buffer := make([]byte, message)
				for {
					if _, err := io.ReadFull(server, buffer); err != nil {
						return
					}
					if _, err := server.Write(buffer); err != nil {
						return
					}
				}
			})
			data, back := make([]byte, message), make([]byte, message)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := client.Write(data); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(client, back); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			client.Close()
			all.Wait()
		})
	}
}
