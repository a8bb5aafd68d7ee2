package pass

import "time"

// RefuseAge is how old a connection is at least when it is refused right after it
// was accepted, by a reset: one that comes before the client has seen that it is
// connected makes its connect(2) fail now and then.
const RefuseAge = 10 * time.Millisecond

// mostRefused are kept for that moment in a second: few, since a flood of them would
// hold descriptors, and slow down whoever tries again and again.
const mostRefused = 16

// Refusals counts those of this second. Who uses it keeps it from being used twice
// at once.
type Refusals struct {
	since time.Duration
	n     int
}

// MayWait counts one more, and reports whether it may be kept for its moment.
func (r *Refusals) MayWait(now time.Duration) bool {
	if now-r.since >= time.Second {
		*r = Refusals{since: now}
	}
	r.n++
	return r.n <= mostRefused
}
