package wait

import (
	"net"
	"slices"
	"sync"
)

// mostBacklog is the longest queue of connections.
const mostBacklog = 4096

// A Backlog is the queue of a listener: connections that stand and that nobody
// has accepted. NewBacklog makes one. Put and Take do not wait, and are called
// by [Limits.Await].
type Backlog[T any] struct {
	Arrived Bell // for Take
	Room    Bell // for Put

	mu     sync.Mutex
	queue  []T
	most   int
	closed bool
}

// NewBacklog returns a queue of at most so many, of which 0 or less means the
// most there may be: 4096.
func NewBacklog[T any](most int) *Backlog[T] {
	b := &Backlog[T]{Arrived: NewBell(), Room: NewBell()}
	b.Resize(most)
	return b
}

// Resize changes how many it takes.
func (b *Backlog[T]) Resize(most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.most = most; most <= 0 || most > mostBacklog {
		b.most = mostBacklog
	}
	b.Room.Ring()
}

// Put adds a connection, if there is room. The error says that the listener is
// closed.
func (b *Backlog[T]) Put(c T) (ready bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		b.Room.Ring() // for the others who wait
		return true, net.ErrClosed
	case len(b.queue) >= b.most:
		return false, nil
	}
	b.queue = append(b.queue, c)
	b.Arrived.Ring()
	if len(b.queue) < b.most {
		b.Room.Ring()
	}
	return true, nil
}

// Take takes the oldest connection, if there is one.
func (b *Backlog[T]) Take() (c T, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return c, false
	}
	c = b.queue[0]
	b.queue = slices.Delete(b.queue, 0, 1)
	if len(b.queue) > 0 {
		b.Arrived.Ring()
	}
	b.Room.Ring()
	return c, true
}

// Close refuses what comes from now on, and returns what nobody has accepted.
func (b *Backlog[T]) Close() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	queue := b.queue
	b.queue, b.closed = nil, true
	b.Room.Ring()
	return queue
}

// Waiting returns how many connections there are, and how many there may be.
func (b *Backlog[T]) Waiting() (n, most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue), b.most
}
