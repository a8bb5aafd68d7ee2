package relay_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"zocalo"
	"zocalo/socket"
)

// A Row is an engine, a pair of kinds and a way to run a relay between them.
type Row struct {
	engine  *Engine
	pair    pair
	variant variant
	program int // TO is a program that answers so many bytes of what it reads, -1 is all

	mu    sync.Mutex
	relay Relay
	to    string
}

func (r *Row) String() string {
	to := r.pair.to.Name
	if r.program != 0 {
		to = r.programText()
	}
	return fmt.Sprintf("%s, %s to %s, %s", r.engine.Name, r.pair.from.Name, to, r.variant.name)
}

func (r *Row) programText() string {
	if r.program < 0 {
		return "exec:cat"
	}
	return fmt.Sprintf("exec:head -c %d", r.program)
}

// answers is how much a program answers.
func (r *Row) answers(sent int) int {
	if r.program < 0 {
		return sent
	}
	return min(sent, r.program)
}

// most is how many bytes a side writes at most.
func (r *Row) most() int {
	most := 1 << 20
	for _, n := range []int{r.variant.most, r.pair.from.Total, r.pair.to.Total} {
		if n > 0 {
			most = min(most, n)
		}
	}
	return most
}

func (r *Row) weight() int {
	w := r.pair.from.Weight * r.pair.to.Weight * r.variant.weight
	if r.program != 0 {
		w = 2 * r.pair.from.Weight
	}
	return max(w, 1)
}

// address is where the row's relay listens; it is started where it does not run.
func (r *Row) address(dir string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.relay == nil {
		from := strings.Replace(r.pair.from.listens(dir), ":", "-listen:", 1) + r.pair.format(r.pair.from)
		relay, err := r.engine.Start(from, r.to, r.variant.options)
		if err != nil {
			return "", fmt.Errorf("%v: relay %s %s: %w", r, from, r.to, err)
		}
		r.relay = relay
	}
	return r.relay.Address(), nil
}

// stop ends the relay of the row.
func (r *Row) stop() error {
	r.mu.Lock()
	relay := r.relay
	r.relay = nil
	r.mu.Unlock()
	if relay == nil {
		return nil
	}
	if err := relay.Stop(); err != nil {
		return fmt.Errorf("%v: %w", r, err)
	}
	if n := relay.Open(); n > 0 {
		return fmt.Errorf("%v: %d pairs are open after the end", r, n)
	}
	return nil
}

// cycle stops the relay of the row now and then, until ctx ends.
func (r *Row) cycle(ctx context.Context, say func(string, ...any)) {
	rng := rand.New(rand.NewPCG(1, 1))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(50+rng.IntN(200)) * time.Millisecond):
		}
		if err := r.stop(); err != nil {
			say("%v", err)
		}
	}
}

// nobodyAt is an address of the kind without a listener, until close.
func nobodyAt(ctx context.Context, k Kind, dir string) (at string, close func() error, err error) {
	l, err := zocalo.Listen(ctx, k.listens(dir))
	if err != nil {
		return "", nil, err
	}
	defer l.Close()
	name := l.Name()
	at = k.dials(name)
	if name.Domain() != socket.Inet && name.Domain() != socket.Inet6 {
		return at, func() error { return nil }, nil
	}
	l.Close()
	// A socket that is bound and does not listen keeps the port from others.
	s, err := socket.New(name.Domain(), socket.Stream, 0)
	if err != nil {
		return "", nil, err
	}
	if err := s.Bind(name); err != nil {
		s.Close()
		return "", nil, err
	}
	return at, s.Close, nil
}
