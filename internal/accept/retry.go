package accept

import (
	"context"
	"time"

	"zocalo/internal/pass"
)

// maxPassing is how many errors in a row, each said to pass by itself, are
// believed before a Retry pauses for them as well.
const maxPassing = 100

// A Retry decides how to go on after errors of a call that a loop makes over
// and over, so that no error makes it spin.
type Retry struct {
	passed int           // errors in a row that pass by themselves
	pause  time.Duration // the last
}

// After reports whether to try again after err, and waits first where time
// must pass. The end of ctx ends the wait. Where the system is short of
// something, it calls short with err.
func (r *Retry) After(ctx context.Context, err error, short func(error)) bool {
	switch {
	case pass.IsShortage(err):
		short(err)
	case pass.IsPassing(err):
		if r.passed++; r.passed <= maxPassing {
			return true
		}
	default:
		return false
	}
	r.pause = pass.ShortBackoff.After(r.pause)
	t := time.NewTimer(r.pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return true
}

// Reset says that the call succeeded.
func (r *Retry) Reset() { *r = Retry{} }

// StartPoller makes the runtime start its poller, by a timer, which needs it.
// It would otherwise do so when something first waits, and end the program if
// there are no descriptors left by then.
func StartPoller() { time.AfterFunc(time.Hour, func() {}).Stop() }
