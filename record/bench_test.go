package record_test

import (
	"context"
	"io"
	"testing"

	"zocalo/record"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// BenchmarkPiece is what a recording costs a read of 64 KiB, and a message of 512 bytes.
func BenchmarkPiece(b *testing.B) {
	for name, size := range map[string]int{"64KiB": 64 << 10, "512": 512} {
		b.Run(name, func(b *testing.B) {
			r, err := record.New(io.Discard, record.Options{Must: true})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			one, two, err := socket.Pair(socket.Unix, socket.Stream, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer one.Close()
			defer two.Close()
			p := r.Begin(record.Info{Ends: [2]*socket.Socket{one, two}})
			data := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				p.Data(context.Background(), outcome.A, join.Bytes, data)
			}
		})
	}
}
