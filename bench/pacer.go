package bench

import (
	"sync/atomic"
	"time"
)

// A pacer waits for the times at which messages are due. The zero pacer is
// ready; it is for one goroutine, which closes it.
type pacer struct {
	// coarse leaves out the system's fine timers, for tests in which time
	// is not the system's.
	coarse bool
	fine   fineTimer
}

// The runtime's timers may be late by a whole millisecond, since its poller
// waits in those: they serve for all but the last part of a wait.
const (
	coarsest = 2 * time.Millisecond
	// look is how often a long wait looks whether it should stop.
	look = 50 * time.Millisecond
)

// until returns when it is due, or stop is set.
func (p *pacer) until(due time.Time, stop *atomic.Bool) {
	for !stop.Load() {
		d := time.Until(due)
		switch {
		case d <= 0:
			return
		case p.coarse:
			time.Sleep(min(d, look))
		case d > coarsest:
			time.Sleep(min(d-coarsest/2, look))
		default:
			p.fine.wait(d)
		}
	}
}

func (p *pacer) close() { p.fine.close() }
