package record_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"

	"zocalo"
	"zocalo/address"
	"zocalo/record"
	"zocalo/relay"
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

// BenchmarkRelay is a round trip of 4 KiB through a relay, without a recording and with one in a
// file.
func BenchmarkRelay(b *testing.B) {
	for _, recorded := range []bool{false, true} {
		name := "plain"
		if recorded {
			name = "recorded"
		}
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
				c.Close()
			}()
			from, _ := address.Parse("tcp-listen:127.0.0.1:0,once")
			to, _ := address.Parse("tcp:" + l.Addr().String())
			r := &relay.Relay{Config: relay.Config{From: from, To: []address.Address{to}, Path: relay.General}}
			at := make(chan string, 1)
			r.Listening = func(l *zocalo.Listener, _ address.Address) error {
				at <- l.Name().String()
				return nil
			}
			if recorded {
				rec, err := record.Create(filepath.Join(b.TempDir(), "x.pcapng"), record.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer rec.Close()
				rec.Hook(&r.Hooks)
			}
			done := make(chan error, 1)
			go func() { done <- r.Run(context.Background()) }()
			c, err := net.Dial("tcp", <-at)
			if err != nil {
				b.Fatal(err)
			}
			data := make([]byte, 4<<10)
			b.SetBytes(2 * int64(len(data)))
			for b.Loop() {
				c.Write(data)
				io.ReadFull(c, data)
			}
			c.Close()
			<-done
		})
	}
}
