package fault

import (
	"net"
	"os"
	"sync"
	"time"
)

// An inbox is where what has come waits for a reader, one piece at a time: whoever puts it waits until
// it was read.
type inbox struct {
	mu      sync.Mutex
	changed sync.Cond
	data    []byte
	from    net.Addr
	full    bool
	message bool
	err     error // why nothing more comes
	late    time.Time
	timer   *time.Timer
}

func (b *inbox) init() { b.changed.L = &b.mu }

// put waits until a piece was read.
func (b *inbox) put(it *item, message bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.data, b.from, b.full, b.message = it.p.Data, it.to, message || len(it.p.Data) > 0, message
	b.changed.Broadcast()
	for b.full && b.err == nil {
		b.changed.Wait()
	}
	b.data, b.full = nil, false
	return b.err
}

// take waits for a piece, and reads it, or what fits: the rest of a message is lost.
func (b *inbox) take(to []byte) (n int, from net.Addr, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.err == net.ErrClosed:
			return 0, nil, b.err
		case !b.late.IsZero() && !time.Now().Before(b.late):
			return 0, nil, os.ErrDeadlineExceeded
		case b.full:
			n = copy(to, b.data)
			b.data, from = b.data[n:], b.from
			if b.message || len(b.data) == 0 {
				b.full = false
				b.changed.Broadcast()
			}
			return n, from, nil
		case b.err != nil:
			return 0, nil, b.err
		}
		b.changed.Wait()
	}
}

// end says why nothing more comes. The first reason holds.
func (b *inbox) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
		b.changed.Broadcast()
	}
}

// close ends all calls at once.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = net.ErrClosed
	b.changed.Broadcast()
	if b.timer != nil {
		b.timer.Stop()
	}
}

func (b *inbox) deadline(t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == net.ErrClosed {
		return b.err
	}
	b.late = t
	b.changed.Broadcast()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if !t.IsZero() {
		b.timer = time.AfterFunc(time.Until(t), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changed.Broadcast()
		})
	}
	return nil
}
