package relay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zocalo/relay"
	"zocalo/socket"
)

// A filter is one of its functions; nil ones pass everything on.
type filter struct {
	next func(relay.Piece) error
	pass func(relay.Piece) error
	end  func(error)
}

func (f *filter) Pass(p relay.Piece) error {
	if f.pass == nil {
		return f.next(p)
	}
	return f.pass(p)
}

func (f *filter) End(why error) {
	if f.end != nil {
		f.end(why)
	}
}

// filtering runs a relay that has a filter in what comes from side A, and returns its two
// sides.
func filtering(t *testing.T, kind string, change func(ctx context.Context, f *filter)) (r *running, a, b *socket.Socket) {
	endpoint := map[string]string{"tcp": "127.0.0.1:0", "udp": "127.0.0.1:0", "unix": inTemp(t, "to"), "unix-seqpacket": inTemp(t, "to")}[kind]
	l := listen(t, kind+":"+endpoint)
	if kind[0] == 'u' && kind[1] == 'n' {
		endpoint = inTemp(t, "from")
	}
	r = relays(t, func(r *relay.Relay) {
		r.SessionIdle = patience
		r.PassFiles = kind == "unix"
		r.Filter = func(ctx context.Context, _ relay.Pair, from relay.Side, next func(relay.Piece) error) relay.Filter {
			if from == relay.B {
				return nil
			}
			f := &filter{next: next}
			change(ctx, f)
			return f
		}
	}, kind+"-listen:"+endpoint, addressOf(t, kind+":"+endpoint, l))
	a = dial(t, r.address())
	if kind == "udp" {
		return r, a, l.Sockets()[0]
	}
	return r, a, accept(t, l)
}

// What a filter passes on arrives: changed, dropped, or more than came.
func TestFilterChanges(t *testing.T) {
	for _, kind := range []string{"tcp", "unix-seqpacket", "udp"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			seen := make(chan bool, 10)
			_, a, b := filtering(t, kind, func(_ context.Context, f *filter) {
				f.pass = func(p relay.Piece) error {
					defer func() { seen <- true }()
					switch {
					case bytes.Equal(p.Data, []byte("drop")):
						return nil
					case bytes.Equal(p.Data, []byte("twice")):
						f.next(p)
					}
					p.Data = bytes.ToUpper(p.Data)
					return f.next(p)
				}
			})
			for _, text := range []string{"one", "drop", "twice", "three"} {
				writes(t, a, text)
				<-seen // so that a stream's next read is another
			}
			for _, text := range []string{"ONE", "twice", "TWICE", "THREE"} {
				wants(t, b, text)
			}
		})
	}
}

// A filter may keep messages, and pass them on later and in another order, from a
// goroutine of its own; what it still has at the end goes before the end.
func TestFilterLater(t *testing.T) {
	for _, kind := range []string{"tcp", "unix-seqpacket"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ended, seen := make(chan error, 1), make(chan bool, 10)
			_, a, b := filtering(t, kind, func(_ context.Context, f *filter) {
				pieces, done := make(chan relay.Piece, 10), make(chan struct{})
				go func() {
					defer close(done)
					var held []relay.Piece
					for p := range pieces {
						held = append(held, p)
					}
					for i := len(held); i > 0; i-- {
						f.next(held[i-1])
					}
				}()
				f.pass = func(p relay.Piece) error {
					pieces <- p.Clone()
					seen <- true
					return nil
				}
				f.end = func(why error) {
					close(pieces)
					<-done
					ended <- why
				}
			})
			for _, text := range []string{"three", "two", "one"} {
				writes(t, a, text)
				<-seen // so that a stream's next read is another
			}
			try(t, a.Shutdown(socket.ShutdownWrite))
			for _, text := range []string{"one", "two", "three"} {
				wants(t, b, text)
			}
			wantsEOF(t, b)
			if err := <-ended; err != nil {
				t.Errorf("the filter was told of the end %v", err)
			}
		})
	}
}

// The error of a filter resets the pair; one that is told of a reset can tell it from an
// end.
func TestFilterEnds(t *testing.T) {
	ended := make(chan error, 2)
	end := func(_ context.Context, f *filter) { f.end = func(why error) { ended <- why } }
	r, a, b := filtering(t, "tcp", func(ctx context.Context, f *filter) {
		end(ctx, f)
		f.pass = func(relay.Piece) error { return syscall.EPROTO }
	})
	writes(t, a, "x")
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading is %v", err)
	}
	if p := r.ended(); p.Result.How != relay.Failed || !errors.Is(p.Err, syscall.EPROTO) {
		t.Errorf("the pair ended as %+v", p)
	}
	if err := <-ended; !errors.Is(err, syscall.EPROTO) {
		t.Errorf("the filter was told of %v", err)
	}

	_, a, b = filtering(t, "tcp", end)
	writes(t, a, "x") // so that the pair has begun
	wants(t, b, "x")
	try(t, a.Abort())
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading is %v", err)
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the filter was told of %v", err)
	}
}

// A filter that waits makes its sender wait, and the end of the pair ends its wait.
func TestFilterWaits(t *testing.T) {
	var pieces atomic.Int64
	r, a, _ := filtering(t, "tcp", func(ctx context.Context, f *filter) {
		f.pass = func(relay.Piece) error {
			pieces.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}
	})
	try(t, a.SetWriteDeadline(time.Now().Add(time.Second)))
	n := int64(0)
	for {
		m, err := a.Write(make([]byte, 1<<16))
		if n += int64(m); err != nil {
			break
		}
		if n > 1<<27 {
			t.Fatal("nothing makes the sender wait")
		}
	}
	r.stop()
	r.Abort()
	if p := r.ended(); p.Result.How != relay.Cancelled || pieces.Load() != 1 {
		t.Errorf("the pair ended as %+v after %d pieces", p, pieces.Load())
	}
}

// Urgent data is marked, and stays urgent.
func TestFilterUrgent(t *testing.T) {
	seen := make(chan relay.Piece, 10)
	_, a, b := filtering(t, "tcp", func(_ context.Context, f *filter) {
		f.pass = func(p relay.Piece) error {
			seen <- p.Clone()
			return f.next(p)
		}
	})
	writes(t, a, "x")
	wants(t, b, "x")
	if _, err := a.SendUrgent([]byte("!")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	if n, err := b.ReceiveUrgent(t.Context(), buf); err != nil || string(buf[:n]) != "!" {
		t.Fatalf("received %q, %v", buf[:n], err)
	}
	first, second := <-seen, <-seen
	if first.Urgent() || !second.Urgent() || string(second.Data) != "!" {
		t.Errorf("the filter saw %+v, %+v", first, second)
	}
}

// Descriptors go with the piece that they came with, or not at all.
func TestFilterFiles(t *testing.T) {
	_, a, b := filtering(t, "unix", func(_ context.Context, f *filter) {
		f.pass = func(p relay.Piece) error {
			if strings.HasPrefix(string(p.Data), "later") {
				return f.next(p.Clone())
			}
			return f.next(p)
		}
	})
	for _, text := range []string{"now", "later"} {
		m := socket.Message{}
		m.SetData([]byte(text))
		m.Ancillary.Present, m.Ancillary.Files = socket.HasFiles, []int{0}
		_, err := a.Send(&m)
		try(t, err)
		got := socket.Message{}
		got.SetData(make([]byte, 10))
		got.Ancillary.WantFiles = 1
		try(t, b.Receive(&got))
		if files := len(got.Ancillary.Files); files != map[string]int{"now": 1, "later": 0}[text] {
			t.Errorf("%d descriptors came with %q", files, text)
		}
		got.Ancillary.CloseFiles()
	}
	try(t, a.Shutdown(socket.ShutdownWrite))
	if rest, err := io.ReadAll(b); err != nil || len(rest) > 0 {
		t.Errorf("read %q, %v", rest, err)
	}
}
