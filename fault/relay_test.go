package fault_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/fault"
	"zocalo/relay"
	"zocalo/socket"
)

// A running relay with a plan, and its two sides.
type running struct {
	*testing.T
	plan *fault.Plan
	a, b *socket.Socket

	mu    sync.Mutex
	log   []fault.Event
	ended chan relay.Pair
}

// impaired runs a relay of a kind with faults, and connects its sides.
func impaired(t *testing.T, kind string, specs ...string) *running {
	t.Helper()
	r := &running{T: t, plan: fault.New(42), ended: make(chan relay.Pair, 1)}
	r.plan.Precise = true
	r.plan.Log = func(e fault.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.log) < 1000 {
			r.log = append(r.log, e)
		}
	}
	for _, spec := range specs {
		f, err := fault.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.plan.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "fault") // that of the test has commas in its name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	endpoint := func(name string) string {
		if strings.HasPrefix(kind, "unix") {
			return filepath.Join(dir, name)
		}
		return "127.0.0.1:0"
	}
	parse := func(text string) address.Address {
		a, err := address.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	l, err := zocalo.Listen(t.Context(), kind+":"+endpoint("to"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	to := l.Sockets()[0].Name().String()
	listening := make(chan string, 1)
	bridge := &relay.Relay{Config: relay.Config{From: parse(kind + "-listen:" + endpoint("from")), To: []address.Address{parse(kind + ":" + to)}}}
	bridge.SessionIdle = time.Minute
	bridge.Filter = r.plan.Filter
	bridge.Listening = func(l *zocalo.Listener, _ address.Address) error {
		listening <- l.Sockets()[0].Name().String()
		return nil
	}
	bridge.Ended = func(p relay.Pair) { r.ended <- p }
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := bridge.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		stop()
		bridge.Abort()
		<-over
	})
	if r.a, err = zocalo.Dial(t.Context(), kind+":"+<-listening); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.a.Close() })
	if strings.HasSuffix(kind, "udp") {
		r.b = l.Sockets()[0]
		return r
	}
	if r.b, err = l.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.b.Close() })
	return r
}

// A half-close is kept: the question, its end, the answer and its end all arrive whole, through faults both ways.
func TestHalfClose(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	for _, kind := range []string{"tcp", "unix"} {
		for _, spec := range []string{"latency=5ms", "latency=3ms~3ms,pareto", "rate=10MB", "loss=2%,pause=1ms", "slices=1000~999", "slow-close=20ms", "partition,for=20ms", "stall,after=2ms,for=20ms"} {
			t.Run(kind+" "+spec, func(t *testing.T) {
				t.Parallel()
				r := impaired(t, kind, spec)
				go func() {
					r.a.Write(text)
					r.a.Shutdown(socket.ShutdownWrite)
				}()
				got, err := io.ReadAll(r.b)
				if err != nil || !bytes.Equal(got, text) {
					t.Fatalf("the server read %d bytes, %v", len(got), err)
				}
				go func() {
					r.b.Write(text)
					r.b.Shutdown(socket.ShutdownWrite)
				}()
				got, err = io.ReadAll(r.a)
				if err != nil || !bytes.Equal(got, text) {
					t.Fatalf("the client read %d bytes, %v", len(got), err)
				}
				if p := <-r.ended; p.Err != nil || p.Result.How != relay.Finished {
					t.Errorf("the pair ended as %+v", p)
				}
			})
		}
	}
}

// What ends a pair does it on the wire, and the account tells which fault it was.
func TestEnds(t *testing.T) {
	for spec, want := range map[string]error{
		"down:limit=3": nil, "down:reset=3B": syscall.ECONNRESET, "reset=10ms": syscall.ECONNRESET, "down,after=20ms": syscall.ECONNRESET, "down:timeout=10ms": nil,
	} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			r := impaired(t, "tcp", spec)
			r.b.Write([]byte("abcdef"))
			got, err := io.ReadAll(r.a)
			if !errors.Is(err, want) || strings.Contains(spec, "limit") && string(got) != "abc" {
				t.Errorf("the client read %q, %v", got, err)
			}
			r.a.Close()
			r.b.Close()
			p := <-r.ended
			var cut *fault.CutError
			if p.Result.How != relay.Cancelled || !errors.As(p.Err, &cut) {
				t.Errorf("the pair ended as %+v", p)
			}
		})
	}
}

// Messages stay whole on kinds that keep them, and draws are by message.
func TestKinds(t *testing.T) {
	for _, kind := range []string{"udp", "unix-seqpacket"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := impaired(t, kind, "up:loss=30%", "up:duplicate=30%", "latency=1ms")
			for i := range 100 {
				if _, err := r.a.Write(fmt.Appendf(nil, "message %d", i)); err != nil {
					t.Fatal(err)
				}
			}
			want := 100
			for seen := 0; seen < want; {
				b := make([]byte, 100)
				n, err := r.b.Read(b)
				if err != nil || !bytes.HasPrefix(b[:n], []byte("message ")) {
					t.Fatalf("read %q, %v", b[:n], err)
				}
				seen++
				r.mu.Lock()
				want = 100
				for _, e := range r.log {
					switch e.Did {
					case fault.Lost:
						want--
					case fault.Duplicated:
						want++
					}
				}
				r.mu.Unlock()
			}
		})
	}
}

// A reset that comes drops what is held.
func TestResetComes(t *testing.T) {
	r := impaired(t, "tcp", "latency=1h")
	r.a.Write([]byte("held"))
	for held := false; !held; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		held = len(r.log) > 0
		r.mu.Unlock()
	}
	r.a.Abort()
	if _, err := r.b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading is %v", err)
	}
	if p := <-r.ended; p.Result.How != relay.Reset {
		t.Errorf("the pair ended as %+v", p)
	}
}

// Faults that come and go while a pair is open change what it has.
func TestChangesOfRelay(t *testing.T) {
	r := impaired(t, "tcp")
	h, err := r.plan.Add(fault.Fault{Direction: fault.Up, Effect: fault.Stall{}})
	if err != nil {
		t.Fatal(err)
	}
	r.a.Write([]byte("abc"))
	r.b.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := r.b.Read(make([]byte, 10)); err == nil {
		t.Errorf("read %d bytes", n)
	}
	r.b.SetReadDeadline(time.Time{})
	h.Remove()
	b := make([]byte, 3)
	if _, err := io.ReadFull(r.b, b); err != nil || string(b) != "abc" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := r.plan.Add(fault.Fault{Effect: fault.Outage{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.b.Read(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading is %v", err)
	}
}

// Faults that come and go under load lose nothing, hang nothing, and keep order.
func TestChangesOfRelayUnderLoad(t *testing.T) {
	r := impaired(t, "tcp")
	var faults []fault.Fault
	for _, spec := range []string{"latency=1ms~1ms", "rate=200MB", "rate=0", "stall", "slices=1000~999", "loss=1%,pause=100us", "partition,for=1ms", "latency=1h"} {
		f, err := fault.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	over, sent := make(chan struct{}), make(chan [sha256.Size]byte, 1)
	go func() {
		sum, b := sha256.New(), make([]byte, 20000)
		for i := 0; ; i++ {
			select {
			case <-over:
				r.a.Shutdown(socket.ShutdownWrite)
				sent <- [sha256.Size]byte(sum.Sum(nil))
				return
			default:
			}
			for j := range b {
				b[j] = byte(i + j*j)
			}
			part := b[:1+i*7919%len(b)]
			sum.Write(part)
			if _, err := r.a.Write(part); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	came := make(chan [sha256.Size]byte, 1)
	go func() {
		sum := sha256.New()
		if _, err := io.Copy(sum, r.b); err != nil {
			t.Error(err)
		}
		came <- [sha256.Size]byte(sum.Sum(nil))
	}()
	var handles []*fault.Handle
	for i := range changesOfRelay {
		switch f := faults[i*31%len(faults)]; {
		case len(handles) > 3:
			handles[0].Remove()
			handles = handles[1:]
		case len(handles) > 0 && i%3 == 0:
			if err := handles[i%len(handles)].Set(f); err != nil {
				t.Fatal(err)
			}
		default:
			h, err := r.plan.Add(f)
			if err != nil {
				t.Fatal(err)
			}
			handles = append(handles, h)
		}
	}
	close(over)
	if err := r.plan.Set(); err != nil {
		t.Fatal(err)
	}
	if <-sent != <-came {
		t.Error("what came is not what was sent")
	}
}

// changesOfRelay is how often faults change under load.
var changesOfRelay = 3000
