package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
	"zocalo/socket"
)

// An enginePath is an engine with two addresses and a path that take it.
type enginePath struct {
	name     string
	from, to string
	path     relay.Path
}

var enginePaths = []enginePath{
	{"streams", "tcp-listen:127.0.0.1:0", "tcp:127.0.0.1:0", relay.Auto},
	{"datagrams", "udp-listen:127.0.0.1:0", "udp:127.0.0.1:0", relay.Auto},
	{"join", "tcp-listen:127.0.0.1:0", "tcp:127.0.0.1:0", relay.General},
	{"join", "udp-listen:127.0.0.1:0", "udp:127.0.0.1:0", relay.General},
}

// onEngines runs a test with each engine.
func onEngines(t *testing.T, test func(t *testing.T, e enginePath)) {
	if testPath != relay.Auto {
		t.Skip("engines are tried in one run")
	}
	for _, e := range enginePaths {
		t.Run(e.name+" "+e.from[:3], func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// answerer answers each message, or read, with its name before it, and returns where.
func (e enginePath) answerer(t *testing.T, name string) string {
	l := listen(t, e.to)
	answer := func(s *socket.Socket) {
		b := make([]byte, 1000)
		m := socket.Message{}
		for {
			m.SetData(b)
			m.Peer = socket.Name{}
			if s.Receive(&m) != nil || m.N == 0 {
				s.Close()
				return
			}
			m.SetData([]byte(name + string(b[:m.N])))
			if _, err := s.Send(&m); err != nil {
				return
			}
		}
	}
	if s := l.Sockets()[0]; s.Type() == socket.Datagram {
		go answer(s)
	} else {
		go func() {
			for {
				c, err := l.Accept(context.Background())
				if err != nil {
					return
				}
				go answer(c)
			}
		}()
	}
	return addressOf(t, e.to, l)
}

// asks fails unless the answer to a text is the one that is wanted.
func asks(t *testing.T, c *socket.Socket, text, want string) {
	t.Helper()
	writes(t, c, text)
	wants(t, c, want)
}

func (e enginePath) run(t *testing.T, to string, change func(*relay.Relay)) *running {
	return relays(t, func(r *relay.Relay) {
		r.Path = e.path
		if change != nil {
			change(r)
		}
	}, e.from, to)
}

// Hooks come in the order of a pair's life, with the same number, and what they say is
// true; the engine is said by name.
func TestHooks(t *testing.T) {
	onEngines(t, func(t *testing.T, e enginePath) {
		var mu sync.Mutex
		var heard []string
		var passed [2]int
		hear := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, fmt.Sprintf(format, args...))
		}
		to := e.answerer(t, "a")
		r := e.run(t, to, func(r *relay.Relay) {
			r.Admit = func(p *relay.Peer) error { hear("admit %v", p.Name); return nil }
			r.Began = func(p *relay.Peer) { hear("began %d %v %v", p.Pair, p.Name, p.Local) }
			r.Reached = func(pair int64, a relay.Attempt) { hear("reached %d %s %v %v", pair, a.Target, a.To, a.Err) }
			r.Passed = func(pair int64, from relay.Side, bytes, _ int) {
				mu.Lock()
				defer mu.Unlock()
				passed[from] += bytes
			}
			ended := r.Ended
			r.Ended = func(p relay.Pair) {
				r.Totals() // which a hook may ask for
				r.Open()
				hear("ended %d %s", p.Number, p.Peer)
				ended(p)
			}
			r.SessionIdle = 300 * time.Millisecond
		})
		at := r.address()
		c := dial(t, at)
		peer, local := c.Name(), strings.SplitN(at, ":", 2)[1]
		asks(t, c, "one", "aone")
		asks(t, c, "three", "athree")
		try(t, c.Close())
		r.ended()
		mu.Lock()
		defer mu.Unlock()
		want := []string{
			fmt.Sprintf("admit %v", peer), fmt.Sprintf("began 1 %v %s", peer, local),
			fmt.Sprintf("reached 1 %s %s <nil>", to, to), fmt.Sprintf("ended 1 %v", peer),
		}
		if !slices.Equal(heard, want) {
			t.Errorf("the hooks heard %q, want %q", heard, want)
		}
		if passed != [2]int{8, 10} {
			t.Errorf("%v bytes passed", passed)
		}
		if name, why := r.Engine(); name != e.name || (why == "") != (e.path == relay.Auto) {
			t.Errorf("the engine is %q since %q, want %q", name, why, e.name)
		}
	})
}

// Who is not admitted is turned away, and the log says why.
func TestAdmit(t *testing.T) {
	onEngines(t, func(t *testing.T, e enginePath) {
		r := e.run(t, e.answerer(t, "a"), func(r *relay.Relay) {
			r.Admit = func(*relay.Peer) error { return errors.New("closed on Sundays") }
		})
		c := dial(t, r.address())
		c.Write([]byte("x"))
		await(t, "the log says why", func() bool { return strings.Contains(r.journal.String(), "closed on Sundays") })
		if c.Type() == socket.Stream {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("reading is %v", err)
			}
		}
	})
}

// Route chooses among the addresses, and its peer is who came.
func TestRoute(t *testing.T) {
	onEngines(t, func(t *testing.T, e enginePath) {
		a, b := e.answerer(t, "a"), e.answerer(t, "b")
		asked := make(chan *relay.Peer, 1)
		r := e.run(t, a, func(r *relay.Relay) {
			r.To = append(r.To, parse(t, b))
			r.Route = func(_ context.Context, p *relay.Peer, to []address.Address) ([]address.Address, error) {
				select {
				case asked <- p:
				default:
				}
				return to[1:], nil
			}
		})
		c := dial(t, r.address())
		asks(t, c, "x", "bx")
		if got := <-asked; got.Name != c.Name() || got.Pair != 1 || (got.Socket == nil) != (e.name != "join") {
			t.Errorf("Route was asked for %+v", got)
		}
		if name, _ := r.Engine(); name != e.name {
			t.Errorf("the engine is %s", name)
		}
	})
}

// A pair whose TO is changed goes on with it, and new ones get the new one. What the
// engine cannot do is refused, and nothing has changed.
func TestSetTo(t *testing.T) {
	onEngines(t, func(t *testing.T, e enginePath) {
		a, b := e.answerer(t, "a"), e.answerer(t, "b")
		r := e.run(t, a, nil)
		at := r.address()
		old := dial(t, at)
		asks(t, old, "x", "ax")
		try(t, r.SetTo(parse(t, b)))
		for range 3 {
			asks(t, dial(t, at), "y", "by")
			asks(t, old, "x", "ax")
		}
		var refused *relay.ChangeError
		for _, to := range []string{at, "tcp-listen:127.0.0.1:0", "exec:cat"} {
			if err := r.SetTo(parse(t, to)); !errors.As(err, &refused) {
				t.Errorf("SetTo(%s) = %v", to, err)
			}
		}
		if err := r.SetTo(); !errors.As(err, &refused) {
			t.Errorf("SetTo() = %v", err)
		}
		asks(t, dial(t, at), "y", "by")
		if n := len(r.Open()); r.Totals().Open != n || n < 2 {
			t.Errorf("%d pairs are open", n)
		}
	})
}

// Limits change for pairs that are open and for new ones.
func TestSetLimits(t *testing.T) {
	onEngines(t, func(t *testing.T, e enginePath) {
		r := e.run(t, e.answerer(t, "a"), func(r *relay.Relay) { r.MaxConns, r.MaxSessions = 1, 1 })
		at := r.address()
		one := dial(t, at)
		asks(t, one, "x", "ax")
		l := r.Now().Limits
		l.MaxConns, l.MaxSessions, l.Rate, l.TotalRate = 2, 2, 1<<20, 1<<20
		try(t, r.SetLimits(l))
		two := dial(t, at)
		asks(t, two, "x", "ax")
		asks(t, one, "y", "ay")
		if n := r.Totals().Open; n != 2 {
			t.Errorf("%d pairs are open", n)
		}
		l.Idle = 50 * time.Millisecond
		try(t, r.SetLimits(l))
		for range 2 {
			if p := r.ended(); p.Result.How != relay.Idle {
				t.Errorf("a pair ended as %+v", p)
			}
		}
		l.Lifetime = time.Hour
		var refused *relay.ChangeError
		if err := r.SetLimits(l); errors.As(err, &refused) != (e.name == "datagrams") {
			t.Errorf("SetLimits with a lifetime = %v", err)
		}
		l.Lifetime, l.MaxConnsPerPeer = 0, l.MaxConnsPerPeer+1
		if err := r.SetLimits(l); !errors.As(err, &refused) {
			t.Errorf("SetLimits of a single peer = %v", err)
		}
	})
}

// Changes come while peers do, and none of them fails.
func TestChangeUnderLoad(t *testing.T) {
	onEngines(t, func(t *testing.T, e enginePath) {
		a, b := e.answerer(t, "a"), e.answerer(t, "b")
		r := e.run(t, a, nil)
		at := r.address()
		done := make(chan struct{})
		var changing sync.WaitGroup
		changing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				to, l := a, r.Now().Limits
				if i%2 == 0 {
					to = b
				}
				l.Rate, l.Idle = int64(i%2)<<30, time.Duration(i%3)*time.Minute
				if err := errors.Join(r.SetTo(parse(t, to)), r.SetLimits(l)); err != nil {
					t.Error(err)
					return
				}
			}
		})
		var last int64
		for range 50 {
			c := dial(t, at)
			writes(t, c, "x")
			b := make([]byte, 2)
			if n, err := c.Read(b); err != nil || n == 2 && b[1] != 'x' {
				t.Fatalf("read %q, %v", b[:n], err)
			}
			if now := r.Totals().From[relay.A].Bytes; now < last {
				t.Errorf("the bytes that have passed fall from %d to %d", last, now)
			} else {
				last = now
			}
			r.Open()
			try(t, c.Close())
		}
		close(done)
		changing.Wait()
	})
}

// A listener and a dialer that are ready serve as addresses do; what they are decides
// about the engine.
func TestReady(t *testing.T) {
	onEngines(t, func(t *testing.T, e enginePath) {
		l := listen(t, e.from)
		target := e.answerer(t, "a")
		r := relays(t, func(r *relay.Relay) {
			r.From, r.Listener, r.Path = address.Address{}, l, e.path
			r.SessionIdle = 300 * time.Millisecond
			r.To = []address.Address{parse(t, target)}
		}, e.from)
		c := dial(t, addressOf(t, e.from, l))
		asks(t, c, "x", "ax")
		if name, _ := r.Engine(); name != e.name {
			t.Errorf("the engine is %s", name)
		}
		r.stop()
		try(t, c.Close())
		try(t, r.over())
		if err := l.Close(); err == nil {
			t.Error("the listener is still open")
		}
	})
}

// Reach connects in place of To, and is told who came.
func TestReach(t *testing.T) {
	onEngines(t, func(t *testing.T, e enginePath) {
		target := e.answerer(t, "a")
		var from socket.Name
		r := relays(t, func(r *relay.Relay) {
			r.Path = e.path
			r.Reach = func(ctx context.Context, p *relay.Peer) (*socket.Socket, string, error) {
				from = p.Name
				s, err := zocalo.Dial(ctx, target)
				return s, "the one", err
			}
		}, e.from)
		c := dial(t, r.address())
		asks(t, c, "x", "ax")
		if open := r.Open(); len(open) != 1 || open[0].Target != "the one" || from != c.Name() {
			t.Errorf("open are %+v, for %v", open, from)
		}
		if name, why := r.Engine(); name != "join" || why == "" {
			t.Errorf("the engine is %s since %q", name, why)
		}
	})
}
