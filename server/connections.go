package server

import (
	"context"
	"sync"

	"zocalo/socket"
)

// connections are those that a server has open, at most max of them.
//
// Accept loops wait for their turn before they accept. Since several may wait
// in Accept when one of them takes the last place, they accept within a
// round, a context that ends when the places do: no listener holds a place
// that another's client is waiting for. Two that accept at the same moment
// may still be one too many; the second then waits in add, unserved.
type connections struct {
	ctx context.Context // of all rounds
	max int             // 0 or less: no bound

	mu       sync.Mutex
	open     map[*socket.Socket]struct{}
	round    context.Context
	endRound context.CancelFunc
	room     chan struct{} // closed when there are places again; valid while full
}

func (c *connections) init(ctx context.Context, max int) {
	c.ctx, c.max = ctx, max
	c.open = make(map[*socket.Socket]struct{})
	c.round, c.endRound = context.WithCancel(ctx)
}

// become makes max another one. What is open stays, be it more.
func (c *connections) become(max int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wasFull := c.full()
	c.max = max
	c.turned(wasFull)
}

// turned is told whether there were no places before something changed.
func (c *connections) turned(wasFull bool) {
	switch isFull := c.full(); {
	case isFull && !wasFull:
		c.room = make(chan struct{})
		c.endRound()
	case wasFull && !isFull:
		c.round, c.endRound = context.WithCancel(c.ctx)
		close(c.room)
	}
}

func (c *connections) full() bool { return c.max > 0 && len(c.open) >= c.max }

// wait waits, with mu held, until there is a place, and reports whether ctx
// let it.
func (c *connections) wait(ctx context.Context) bool {
	for c.full() {
		room := c.room
		c.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
		}
		c.mu.Lock()
		if ctx.Err() != nil {
			return false
		}
	}
	return true
}

// turn waits until there is a place, or ctx ends, and returns the round in
// which to accept.
func (c *connections) turn(ctx context.Context) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wait(ctx)
	return c.round
}

// add gives a connection its place. Where it first has to wait for one, the
// end of ctx makes it false.
func (c *connections) add(ctx context.Context, s *socket.Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wait(ctx) {
		return false
	}
	c.open[s] = struct{}{}
	c.turned(false)
	return true
}

func (c *connections) remove(s *socket.Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wasFull := c.full()
	delete(c.open, s)
	c.turned(wasFull)
}

// abort resets what is open, and returns how many those were.
func (c *connections) abort() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.open {
		s.Abort()
	}
	return len(c.open)
}
