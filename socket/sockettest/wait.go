package sockettest

import (
	"context"
	"net"
	"os"
	"sync"
	"time"
)

// A bell wakes one of those that wait for a change. It remembers a ring that
// nobody waited for. Whoever is woken and leaves something for the next rings
// again, so that one bell serves any number of waiters without a list of them;
// a ring too many wakes somebody for nothing, and does no harm.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// A deadline is a time that ends waiting, and that may be moved meanwhile.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	passed chan struct{} // closed once the time has come
}

func (d *deadline) init() { d.passed = make(chan struct{}) }

// set moves the deadline; the zero time means none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the timer has fired: let it finish
	}
	d.timer = nil
	left := time.Until(t)
	switch past := isClosed(d.passed); {
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

// limits are what may end a call before its time: the endpoint's Close, a
// deadline, and a context where the call takes one.
type limits struct {
	ctx      context.Context
	closed   <-chan struct{}
	deadline *deadline
}

// over returns the error of the limit that was reached, and nil while there
// is none.
func (l *limits) over(passed <-chan struct{}) error {
	switch {
	case isClosed(l.closed):
		return net.ErrClosed
	case isClosed(passed):
		return os.ErrDeadlineExceeded
	}
	return l.ctx.Err()
}

// await calls ready until it returns true, and sleeps on the bell in between.
// It returns the error of the first limit reached, without calling ready if
// that was so from the start.
func (l *limits) await(b bell, ready func() bool) error {
	for {
		passed := l.deadline.channel()
		if err := l.over(passed); err != nil {
			b.ring() // it may have been this call that took the last ring
			return err
		}
		if ready() {
			return nil
		}
		select {
		case <-b:
		case <-l.closed:
		case <-passed:
		case <-l.ctx.Done():
		}
	}
}

// A turn is a lock whose waiters can be interrupted: that of the writers, or
// the readers, whose calls must not mix.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(l *limits) error {
	for {
		passed := l.deadline.channel()
		if err := l.over(passed); err != nil {
			return err
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

func (t turn) give() { <-t }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
