package impair

import "time"

// A Shaper says when bytes may leave at a rate. Times are of the caller's clock, and it
// keeps its own account: that a timer is late adds up to nothing.
type Shaper struct {
	Rate  int64 // bytes a second; 0 or less lets nothing leave
	Burst int64 // bytes that may leave at once after a time in which none did

	free  time.Duration // when all that was taken has left
	begun bool          // something was
}

// Take returns when n bytes have left, of what came at now. It is called in the order in which they
// leave. ok is false where nothing may leave.
func (s *Shaper) Take(now time.Duration, n int) (at time.Duration, ok bool) {
	return s.TakeLate(now, n, 0)
}

// TakeLate is Take where what came would have come earlier, but for a delay of its caller's: up to late of that is made
// up for.
func (s *Shaper) TakeLate(now time.Duration, n int, late time.Duration) (at time.Duration, ok bool) {
	if s.Rate <= 0 {
		return 0, false
	}
	if idle := now - max(s.time(float64(s.Burst)), late); !s.begun || s.free < idle {
		s.free, s.begun = idle, true
	}
	s.free += s.time(float64(n))
	return max(s.free, now), true
}

func (s *Shaper) time(bytes float64) time.Duration {
	return time.Duration(bytes / float64(s.Rate) * float64(time.Second))
}

// Set changes the rate. What was taken keeps its time.
func (s *Shaper) Set(rate, burst int64) { s.Rate, s.Burst = rate, burst }

// Reset forgets what was taken: the next bytes begin anew.
func (s *Shaper) Reset() { s.begun = false }
