package join_test

import (
	"io"
	"testing"

	"zocalo/relay/join"
)

var benchPairs = []struct {
	name string
	a, b maker
}{
	{"tcp to tcp", tcp, tcp},
	{"unix to tcp", unix, tcp},
	{"unix to unix", unix, unix},
	{"messages", unixSeqPacket, unixSeqPacket},
}

// One way, as fast as it goes.
func BenchmarkBulk(b *testing.B) {
	for _, pair := range benchPairs {
		b.Run(pair.name, func(b *testing.B) {
			j := start(b, pair.a, pair.b, join.End{}, join.End{}, join.Options{})
			const size = 32 << 10
			b.SetBytes(size)
			b.ReportAllocs()
			go func() {
				data := make([]byte, size)
				for range b.N {
					j.a.Write(data)
				}
				j.a.CloseWrite()
			}()
			data := make([]byte, 64<<10)
			for {
				if _, err := j.b.Read(data); err == io.EOF {
					return
				} else if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// 64 bytes there, and back.
func BenchmarkPingPong(b *testing.B) {
	for _, pair := range benchPairs {
		b.Run(pair.name, func(b *testing.B) {
			j := start(b, pair.a, pair.b, join.End{}, join.End{}, join.Options{})
			data := make([]byte, 64)
			b.ReportAllocs()
			for range b.N {
				j.a.Write(data)
				j.b.Read(data)
				j.b.Write(data)
				j.a.Read(data)
			}
		})
	}
}
