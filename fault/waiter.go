package fault

import "time"

// A waiter waits for a time, or until it is woken.
type waiter interface {
	wait(d time.Duration)
	rest()  // it is not needed for now
	close() // nor again
}

// goWaiter waits by Go's timers.
type goWaiter struct {
	wake  chan struct{}
	timer *time.Timer
}

func (w *goWaiter) wait(d time.Duration) {
	if w.timer == nil {
		w.timer = time.NewTimer(d)
	} else {
		w.timer.Reset(d)
	}
	select {
	case <-w.wake:
		w.timer.Stop()
	case <-w.timer.C:
	}
}

func (w *goWaiter) rest()  {}
func (w *goWaiter) close() {}

func newWaiter(precise bool, wake chan struct{}) waiter {
	if precise {
		if w := newPrecise(wake); w != nil {
			return w
		}
	}
	return &goWaiter{wake: wake}
}
