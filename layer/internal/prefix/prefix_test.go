package prefix_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/layer/internal/prefix"
	"zocalo/socket"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// covered is a socket that shows no more than its stream.
type covered struct{ socket.Endpoint }

func (c covered) Lower() socket.Endpoint { return c.Endpoint }

// pair returns two ends of a connection, of which the first is covered if asked.
func pair(t *testing.T, cover bool) (a, b *socket.Socket) {
	t.Helper()
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	if cover {
		a = socket.Wrap(covered{a}, a.Kind())
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// Whatever the pieces in which a text comes, nothing is read beyond its end.
func TestUntil(t *testing.T) {
	const head, rest = "CONNECT db:1 HTTP/1.1\r\nHost: db\r\n\r\n", "\r\n\r\nand more"
	for _, cover := range []bool{false, true} {
		for cut := 0; cut <= len(head+rest); cut++ {
			a, b := pair(t, cover)
			go func() {
				io.WriteString(b, (head + rest)[:cut])
				if cut%8 == 1 {
					time.Sleep(time.Millisecond) // the others may come as one
				}
				io.WriteString(b, (head + rest)[cut:])
				b.Shutdown(socket.ShutdownWrite)
			}()
			r := prefix.NewReader(a)
			r.Unread('>')
			got, err := r.Until(1<<10, "\n\r\n", "\n\n")
			if string(got) != ">"+head || err != nil {
				t.Fatalf("cut at %d: %q, %v", cut, got, err)
			}
			if left, err := io.ReadAll(a); string(left) != rest || err != nil {
				t.Fatalf("cut at %d, left: %q, %v", cut, left, err)
			}
		}
	}
}

func TestUntilRefuses(t *testing.T) {
	for _, cover := range []bool{false, true} {
		a, b := pair(t, cover)
		io.WriteString(b, strings.Repeat("x", 100))
		r := prefix.NewReader(a)
		if got, err := r.Until(100, "\n"); len(got) != 100 || err == nil || !strings.Contains(err.Error(), "more than 100 bytes") {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		io.WriteString(b, "half")
		b.Shutdown(socket.ShutdownWrite)
		if got, err := r.Until(100, "\n"); !bytes.Equal(got, []byte("half")) || err != prefix.ErrEnded {
			t.Errorf("%q, %v", got, err)
		}
		if err := r.Full(make([]byte, 1)); err != prefix.ErrEnded {
			t.Errorf("Full: %v", err)
		}
	}
}

func TestWithin(t *testing.T) {
	a, _ := pair(t, false)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(time.Millisecond, func() { cancel(why) })
	err := prefix.Within(ctx, a, func() error { _, err := prefix.NewReader(a).Byte(); return err })
	if err != why {
		t.Errorf("%v, want %v", err, why)
	}
}
