package frame_test

import (
	"bytes"
	"io"
	"strconv"
	"testing"
	"testing/iotest"
)

// loop repeats the same bytes without end.
type loop struct {
	wire []byte
	at   int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.wire[l.at:])
	l.at = (l.at + n) % len(l.wire)
	return n, nil
}

// repeated returns many messages of size bytes as one stream, of more than the
// Reader's greatest buffer.
func repeated(t testing.TB, text string, size int) *loop {
	f := parse(t, text)
	var wire []byte
	for len(wire) < 200_000 {
		var err error
		if wire, err = f.Append(wire, bytes.Repeat([]byte("x"), size)); err != nil {
			t.Fatal(err)
		}
	}
	return &loop{wire: wire}
}

var steady = []string{"lines", "len16", "len32", "varint", "netstring", "fixed:300", "chunk:300"}

func TestNothingIsAllocatedPerMessage(t *testing.T) {
	msg := bytes.Repeat([]byte("x"), 300)
	for _, text := range steady {
		r := newReader(t, repeated(t, text, 300), text, 0)
		next := func() {
			if msg, err := r.Next(); err != nil || len(msg) == 0 {
				t.Fatal(len(msg), err)
			}
		}
		for range 2000 { // until the buffer has grown
			next()
		}
		if n := testing.AllocsPerRun(2000, next); n != 0 {
			t.Errorf("%s: %v allocations to read a message", text, n)
		}
		w := newWriter(t, io.Discard, text, 0)
		if n := testing.AllocsPerRun(1000, func() { _, _ = w.Write(msg) }); n != 0 {
			t.Errorf("%s: %v allocations to write a message", text, n)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{64, 1400, 60000} {
		for _, text := range []string{"lines", "len16", "len32", "varint", "netstring", "fixed:", "chunk:"} {
			if text[len(text)-1] == ':' {
				text += strconv.Itoa(size)
			}
			b.Run(text+"/"+strconv.Itoa(size), func(b *testing.B) {
				r := newReader(b, repeated(b, text, size), text, 0)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := r.Next(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	for _, size := range []int{64, 1400, 60000} {
		msg := bytes.Repeat([]byte("x"), size)
		for _, text := range []string{"lines", "len16", "len32", "varint", "netstring", "fixed:", "chunk:"} {
			if text[len(text)-1] == ':' {
				text += strconv.Itoa(size)
			}
			b.Run(text+"/"+strconv.Itoa(size), func(b *testing.B) {
				w := newWriter(b, io.Discard, text, 0)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := w.Write(msg); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkTrickle reads a message that comes a byte at a time; the cost must
// grow with its size, not with the square.
func BenchmarkTrickle(b *testing.B) {
	for _, text := range []string{"lines", "len32"} {
		for _, size := range []int{1000, 50000} {
			b.Run(text+"/"+strconv.Itoa(size), func(b *testing.B) {
				r := newReader(b, iotest.OneByteReader(repeated(b, text, size)), text, 0)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := r.Next(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
