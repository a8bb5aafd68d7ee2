package quic_test

import (
	"context"
	stdtls "crypto/tls"
	"io"
	"runtime"
	"strings"
	"testing"

	quicgo "github.com/quic-go/quic-go"

	"zocalo"
	"zocalo/layer/quic"
)

// bulk is what goes over a stream at a time in the benchmarks.
const bulk = 64 << 10

// receive reads bulk until it ends, and says what it has read.
func receive(r io.Reader, done chan<- int64) {
	buffer := make([]byte, bulk)
	var n int64
	for {
		k, err := r.Read(buffer)
		n += int64(k)
		if err != nil {
			done <- n
			return
		}
	}
}

// transfer writes b.N times bulk, and waits until all was read.
func transfer(b *testing.B, w io.Writer, end func() error, done <-chan int64) {
	b.Helper()
	data := make([]byte, bulk)
	b.SetBytes(bulk)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := w.Write(data); err != nil {
			b.Fatal(err)
		}
	}
	try(b, end())
	if n := <-done; n != int64(b.N)*bulk {
		b.Fatalf("%d bytes of %d came", n, int64(b.N)*bulk)
	}
}

// A stream of ours beside one of quic-go's used bare over package net, with both ends in one
// process: run both again and again, in turn (docs/layers.md).
func BenchmarkStream(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		cert, _ := certificate(b)
		pair, err := stdtls.LoadX509KeyPair(cert, cert)
		try(b, err)
		l, err := quicgo.ListenAddr("127.0.0.1:0", &stdtls.Config{Certificates: []stdtls.Certificate{pair}, NextProtos: []string{quic.Protocol}}, nil)
		try(b, err)
		defer l.Close()
		done := make(chan int64, 1)
		go func() {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			if s, err := c.AcceptStream(context.Background()); err == nil {
				receive(s, done)
			}
		}()
		c, err := bareClient(b, l.Addr(), nil, quic.Protocol)
		try(b, err)
		s, err := c.OpenStream()
		try(b, err)
		transfer(b, s, s.Close, done)
	})
	b.Run("ours", func(b *testing.B) {
		l, err := zocalo.Listen(b.Context(), "quic:127.0.0.1:0")
		try(b, err)
		defer l.Close()
		done := make(chan int64, 1)
		go func() {
			if s, err := l.Accept(context.Background()); err == nil {
				defer s.Close()
				receive(s, done)
			}
		}()
		s, err := zocalo.Dial(b.Context(), l.Address())
		try(b, err)
		defer s.Close()
		transfer(b, s, s.CloseWrite, done)
	})
}

// Reading allocates nothing but what quic-go does.
func TestReadAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	was := runtime.MemProfileRate
	runtime.MemProfileRate = 1
	defer func() { runtime.MemProfileRate = was }()
	a, b := pair(t, "")
	done := make(chan int64, 1)
	go receive(b, done)
	data := make([]byte, bulk)
	for range 100 {
		_, err := a.Write(data)
		try(t, err)
	}
	try(t, a.CloseWrite())
	if n := <-done; n != 100*bulk {
		t.Fatalf("%d bytes came", n)
	}
	runtime.GC() // which makes the profile whole
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 100_000)
	n, ok := runtime.MemProfile(records, true)
	if !ok {
		t.Fatalf("%d records of allocations", n)
	}
	for _, r := range records[:n] {
		frames := runtime.CallersFrames(r.Stack())
		var stack []string
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			if !strings.HasPrefix(f.Function, "runtime.") {
				stack = append(stack, f.Function)
			}
		}
		inRead := false
		for _, f := range stack {
			inRead = inRead || strings.HasPrefix(f, "zocalo/layer/quic.(*stream).Read")
		}
		if inRead && strings.HasPrefix(stack[0], "zocalo/") && r.AllocObjects > 1 { // one is the end's
			t.Errorf("%d allocations by %v", r.AllocObjects, stack)
		}
	}
}
