// Package wait has what an endpoint in user space needs to block as package
// socket asks: calls that a deadline, a context or Close ends at once, without
// a goroutine for each call, and that testing/synctest takes for durably
// blocked.
//
// A [Deadline] is a time that may be moved while somebody waits for it.
// [Limits] are all that may end one call. A call waits for its turn among
// those that must not mix ([Turn]), for a change of state ([Limits.Await] on a
// [Bell]), or for a value ([Receive]). Endpoints of the kernel wait in the
// runtime's poller instead, and need none of this.
//
// A listener whose connections begin with a handshake, of a family or of a
// layer, accepts by an [Acceptor], or bounds its [Handshakes] alone.
package wait

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A Bell wakes one of those that wait for a change. It remembers a ring that
// nobody waited for. Whoever is woken and leaves something for the next rings
// again, so that one bell serves any number of waiters without a list of them;
// a ring too many wakes somebody for nothing, and does no harm.
type Bell chan struct{}

// NewBell returns a bell that has not rung.
func NewBell() Bell { return make(Bell, 1) }

// Ring wakes one of those waiting, or the next one to wait. It never blocks.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// A Deadline is a time that ends waiting, and that may be moved meanwhile.
// Init makes it ready.
type Deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	at     time.Time
	passed chan struct{} // closed once the time has come
}

// Init makes the deadline ready, with no time set.
func (d *Deadline) Init() { d.passed = make(chan struct{}) }

// Set moves the deadline; the zero time means none.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the timer has fired: let it finish
	}
	d.timer, d.at = nil, t
	left := time.Until(t)
	switch past := IsClosed(d.passed); {
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

// Time returns the time that is set, zero for none.
func (d *Deadline) Time() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

// Passed returns what is closed when the deadline, as it is now, passes.
func (d *Deadline) Passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// Limits are what may end a call before its time: the endpoint's Close, a
// deadline, and a context where the call takes one.
type Limits struct {
	Ctx      context.Context // context.Background() where the call takes none
	Closed   <-chan struct{} // closed by the endpoint's Close
	Deadline *Deadline
}

// Over returns the error of the limit that was reached: net.ErrClosed,
// os.ErrDeadlineExceeded or ctx's; nil while there is none.
func (l *Limits) Over() error { return l.over(l.Deadline.Passed()) }

func (l *Limits) over(passed <-chan struct{}) error {
	switch {
	case IsClosed(l.Closed):
		return net.ErrClosed
	case IsClosed(passed):
		return os.ErrDeadlineExceeded
	}
	return l.Ctx.Err()
}

// Await calls try until it is ready or fails, and sleeps on the bell in between.
// It returns try's error, which as an errno is said to be of that system call, or
// that of the first limit reached, without calling try if that was so from the
// start.
func (l *Limits) Await(b Bell, call string, try func() (ready bool, err error)) error {
	for {
		passed := l.Deadline.Passed()
		if err := l.over(passed); err != nil {
			b.Ring() // it may have been this call that took the last ring
			return err
		}
		if ready, err := try(); ready || err != nil {
			return Syscall(call, err)
		}
		select {
		case <-b:
		case <-l.Closed:
		case <-passed:
		case <-l.Ctx.Done():
		}
	}
}

// Syscall returns an errno as the error of a call, as package net has it, and
// any other error as it is.
func Syscall(call string, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		return os.NewSyscallError(call, errno)
	}
	return err
}

// Receive waits for a value of c, or for a limit. A limit that moves meanwhile
// counts as it then is.
func Receive[T any](l *Limits, c <-chan T) (v T, err error) {
	for {
		passed := l.Deadline.Passed()
		if err := l.over(passed); err != nil {
			return v, err
		}
		select {
		case v = <-c:
			return v, nil
		case <-l.Closed:
		case <-passed:
		case <-l.Ctx.Done():
		}
	}
}

// IsClosed reports whether a channel that nobody sends on was closed.
func IsClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
