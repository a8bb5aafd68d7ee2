package iso

import (
	"context"
	"net"
	"os"
	"sync"
	"time"
)

// A deadline is a time that ends waiting, and that may be moved meanwhile.
type deadline struct {
	mu     sync.Mutex
	at     time.Time
	timer  *time.Timer
	passed chan struct{} // closed once the time has come
}

func (d *deadline) init() { d.passed = make(chan struct{}) }

// set moves the deadline; the zero time means none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the timer has fired: let it finish
	}
	d.timer = nil
	left := time.Until(t)
	past := isClosed(d.passed)
	switch {
	case !t.IsZero() && left <= 0:
		if !past {
			close(d.passed)
		}
		return
	case past:
		d.passed = make(chan struct{})
	}
	if !t.IsZero() {
		passed := d.passed
		d.timer = time.AfterFunc(left, func() { close(passed) })
	}
}

// channel returns what is closed when the deadline, as it is now, passes.
func (d *deadline) channel() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// limits are what may end a call before its time: Close, a deadline, and a
// context where the call takes one.
type limits struct {
	ctx      context.Context
	closed   <-chan struct{}
	deadline *deadline
}

// over returns the error of the limit that was reached, nil while there is
// none.
func (l *limits) over() error { return l.overAt(l.deadline.channel()) }

func (l *limits) overAt(passed <-chan struct{}) error {
	switch {
	case isClosed(l.closed):
		return net.ErrClosed
	case isClosed(passed):
		return os.ErrDeadlineExceeded
	}
	return l.ctx.Err()
}

// wait waits for c to be readable, and takes from it. A limit that moves
// meanwhile counts as it then is.
func wait[T any](l *limits, c <-chan T) (v T, err error) {
	for {
		passed := l.deadline.channel()
		if err := l.overAt(passed); err != nil {
			return v, err
		}
		select {
		case v = <-c:
			return v, nil
		case <-l.closed:
		case <-passed:
		case <-l.ctx.Done():
		}
	}
}

// A turn is a lock whose waiters can be interrupted: that of those who write,
// or read, and must not mix.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(l *limits) error {
	for {
		passed := l.deadline.channel()
		if err := l.overAt(passed); err != nil {
			return err
		}
		select {
		case t <- struct{}{}:
			return nil
		default:
		}
		select {
		case t <- struct{}{}:
			return nil
		case <-l.closed:
		case <-passed:
		case <-l.ctx.Done():
		}
	}
}

// try takes the turn if it is free.
func (t turn) try() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t turn) give() { <-t }

// A bell wakes one who waits for a change, and remembers a ring that nobody
// waited for.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
