package wait_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/socket/wait"
)

// A caller is a connection whose handshake takes what the test wants it to.
type caller struct {
	from, name string
	speaks     chan struct{} // closed once it says something
	finishes   chan struct{} // closed once the handshake is done
	ended      chan error    // by the cause with which it was refused
}

func newCaller(from, name string) *caller {
	return &caller{from, name, make(chan struct{}), make(chan struct{}), make(chan error, 1)}
}

func done(from, name string) *caller {
	c := newCaller(from, name)
	close(c.speaks)
	close(c.finishes)
	return c
}

// shake is the handshake of a caller.
func shake(ctx context.Context, c *caller, heard func()) (*caller, error) {
	for _, step := range []chan struct{}{c.speaks, c.finishes} {
		select {
		case <-step:
			heard()
		case <-ctx.Done():
			c.ended <- context.Cause(ctx)
			return nil, ctx.Err()
		}
	}
	return c, nil
}

func from(c *caller) any { return c.from }

// A port has an acceptor, and below it callers that wait in a queue.
type port struct {
	below   chan *caller
	fails   chan error
	refused []string
	wait.Acceptor[*caller, *caller]
}

func newPort(most int) *port {
	p := &port{below: make(chan *caller, 20_000), fails: make(chan error, 1)}
	p.Below = func(ctx context.Context) (*caller, error) {
		select {
		case c := <-p.below:
			return c, nil
		case err := <-p.fails:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	p.Handshake, p.Peer, p.Max, p.Timeout = shake, from, most, 10*time.Second
	p.Refuse = func(c *caller) { p.refused = append(p.refused, c.name) }
	return p
}

func (p *port) accept(t *testing.T, want string) {
	t.Helper()
	if c, err := p.Accept(t.Context()); err != nil || c.name != want {
		t.Errorf("Accept = %v, %v, want %s", c, err, want)
	}
}

// A slow handshake does not hold up those that came after it.
func TestHandshakesSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort(8)
		slow := newCaller("a", "slow")
		p.below <- slow
		p.below <- done("b", "first")
		p.accept(t, "first")
		p.below <- done("c", "second")
		p.accept(t, "second")
		close(slow.speaks)
		time.AfterFunc(time.Second, func() { close(slow.finishes) })
		p.accept(t, "slow")
		p.Close()
	})
}

// Nothing is accepted from below while nobody waits, and what was begun goes on.
func TestAcceptsOnlyForWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort(8)
		c := newCaller("a", "begun")
		p.below <- c
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Accept(ctx); err != context.DeadlineExceeded {
			t.Errorf("Accept: %v", err)
		}
		p.below <- done("b", "left")
		close(c.speaks)
		close(c.finishes)
		synctest.Wait()
		if len(p.below) != 1 {
			t.Fatal("a connection was accepted while nobody waited")
		}
		p.accept(t, "begun")
		if len(p.below) != 1 {
			t.Error("a connection was accepted for one that was there already")
		}
		p.accept(t, "left")
		p.Close()
	})
}

// An error from below goes to one of those waiting, and the next call tries again.
func TestAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort(8)
		full := errors.New("too many open files")
		p.fails <- full
		if _, err := p.Accept(t.Context()); err != full {
			t.Errorf("Accept: %v, want %v", err, full)
		}
		p.below <- done("a", "next")
		p.accept(t, "next")
		p.Close()
	})
}

// Close ends the calls of Accept and, by name, all that was begun; what comes
// later is refused as well.
func TestAcceptorCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort(8)
		stalled, finished := newCaller("a", "stalled"), newCaller("b", "finished")
		p.below <- stalled
		p.below <- finished
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		calls.Go(func() { p.Accept(ctx) })
		synctest.Wait()
		cancel()
		calls.Wait()
		close(finished.speaks)
		close(finished.finishes)
		synctest.Wait()
		stalledToo := newCaller("c", "stalled too")
		p.accept(t, "finished")
		p.below <- stalledToo
		for range 3 {
			calls.Go(func() {
				if _, err := p.Accept(t.Context()); err != net.ErrClosed {
					t.Errorf("Accept: %v, want that it is closed", err)
				}
			})
		}
		synctest.Wait()
		p.Close()
		calls.Wait()
		p.Close()
		for _, c := range []*caller{stalled, stalledToo} {
			if err := <-c.ended; err != net.ErrClosed {
				t.Errorf("%s ended by %v", c.name, err)
			}
		}
		if _, err := p.Accept(t.Context()); err != net.ErrClosed {
			t.Errorf("Accept after Close: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPort(8)
		c := newCaller("a", "nobody's")
		p.below <- c
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p.Accept(ctx)
		close(c.speaks)
		close(c.finishes)
		synctest.Wait()
		p.Close()
		if !slices.Equal(p.refused, []string{"nobody's"}) {
			t.Errorf("refused: %q", p.refused)
		}
	})
}

// Each handshake has its time, and the next its own.
func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort(8)
		c := newCaller("a", "stalled")
		p.below <- c
		start := time.Now()
		go p.Accept(t.Context())
		if err := <-c.ended; err != os.ErrDeadlineExceeded || time.Since(start) != p.Timeout {
			t.Errorf("it ended by %v after %v", err, time.Since(start))
		}
		p.Close()
	})
}

// Who gives way when all places are taken.
func TestHandshakesGiveWay(t *testing.T) {
	for _, c := range []struct {
		name  string
		those []string // that are being made, as peer and name; an upper-case name has been heard
		peer  string
		want  string
	}{
		{"the oldest", []string{"a1", "b2", "c3", "d4"}, "e", "1"},
		{"the oldest silent one", []string{"aX", "bY", "c3", "d4"}, "e", "3"},
		{"the oldest, as all were heard", []string{"aX", "bY", "cZ", "dW"}, "e", "X"},
		{"of the peer that has most", []string{"a1", "b2", "b3", "c4"}, "e", "2"},
		{"of that peer, a silent one first", []string{"a1", "bX", "b3", "c4"}, "e", "3"},
		{"of that peer, though it was heard", []string{"a1", "bX", "bY", "c4"}, "e", "X"},
		{"of the newcomer's peer", []string{"a1", "b2", "c3", "d4"}, "d", "4"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var gone []string
			h := wait.Handshakes[*caller]{Peer: from, Max: len(c.those), Timeout: time.Minute}
			h.Run = func(ctx context.Context, c *caller, heard func()) {
				if shake(ctx, c, heard); context.Cause(ctx) == wait.ErrGaveWay {
					gone = append(gone, c.name)
				}
			}
			for _, one := range c.those {
				who := newCaller(one[:1], one[1:])
				h.Begin(who)
				if who.name > "9" {
					close(who.speaks)
				}
				synctest.Wait()
			}
			h.Begin(newCaller(c.peer, "new"))
			synctest.Wait()
			if !slices.Equal(gone, []string{c.want}) || h.Len() != len(c.those) {
				t.Errorf("%s: %q gave way of %q, want %q; %d are left", c.name, gone, c.those, c.want, h.Len())
			}
			h.Close()
		})
	}
}

// Ten thousand handshakes of one peer that never end hold no more than the
// places there are, and neither shut out nor hold up anybody else's.
func TestManyStalledHandshakes(t *testing.T) {
	const most, many = 256, 10_000
	synctest.Test(t, func(t *testing.T) {
		p := newPort(most)
		var running, peak atomic.Int64
		p.Handshake = func(ctx context.Context, c *caller, heard func()) (*caller, error) {
			peak.Store(max(peak.Load(), running.Add(1)))
			defer running.Add(-1)
			return shake(ctx, c, heard)
		}
		slow := newCaller("honest", "slow") // and has its place for all that
		p.below <- slow
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		for i := range many {
			p.below <- newCaller("flood", fmt.Sprint(i))
			if i%1000 == 999 {
				p.below <- done("honest", "honest")
				p.accept(t, "honest")
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if held := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse; int64(held) > 16<<20 {
			t.Errorf("%d stalled handshakes hold %d bytes", many, held)
		}
		if time.Since(start) != 0 {
			t.Errorf("the honest waited for %v", time.Since(start))
		}
		close(slow.speaks)
		close(slow.finishes)
		p.accept(t, "slow")
		// One that gives way has its last moments beside newcomers.
		if peak.Load() > 8*most {
			t.Errorf("%d ran at once, of at most %d", peak.Load(), most)
		}
		p.Close()
		if n := running.Load(); n != 0 {
			t.Errorf("%d run after Close", n)
		}
	})
}
