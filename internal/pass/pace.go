package pass

import "time"

// Burst is for how long a rate that was not used may be used at once, which also
// makes up for a timer that is late.
const Burst = 100 * time.Millisecond

// Pay returns until when what passes is paid for, once so many more bytes have
// passed at a rate. Nothing may pass before the time that it returned last, by the
// clock of its caller. A message passes whole, and is made up for afterwards.
func Pay(until, now time.Duration, bytes int, rate int64) time.Duration {
	return max(until, now-Burst) + time.Duration(float64(bytes)/float64(rate)*float64(time.Second))
}

// Portion is how many bytes of a stream to let pass at once at a rate, so that
// the pause after them is short.
func Portion(rate int64) int { return int(max(rate*int64(Burst)/int64(time.Second), 1)) }

// How long a connection lingers of which nothing more is wanted, and that is read
// lest the system reset it: until its peer is silent for so long, and no longer
// than that in all. nginx does so by the same name.
const (
	LingerSilence = 2 * time.Second
	LingerTime    = 30 * time.Second
)

// LingerUntil returns until when a connection lingers that began to, and was heard
// last, at these times.
func LingerUntil(began, heard time.Duration) time.Duration {
	return min(heard+LingerSilence, began+LingerTime)
}

// A Backoff says how long to pause before trying again: First, then twice as long
// each time, Last at most.
type Backoff struct{ First, Last time.Duration }

// ShortBackoff is for want of descriptors or memory.
var ShortBackoff = Backoff{5 * time.Millisecond, time.Second}

// After returns the pause that follows on another, which is 0 for the first.
func (b Backoff) After(pause time.Duration) time.Duration {
	return min(max(2*pause, b.First), b.Last)
}
