package bench

import "time"

// Arrivals is how numbered messages arrived at one end. Of messages 0 to
// Expected-1, each arrived at least once or is lost; those that arrived more
// than once are repeated, and those that came after a later one are reordered.
type Arrivals struct {
	Expected  int64 `json:"expected"`
	Lost      int64 `json:"lost"`
	Repeated  int64 `json:"repeated"`           // arrivals beyond the first of a message
	Reordered int64 `json:"reordered"`          // messages that came after one of a greater number
	TooLate   int64 `json:"too_late,omitempty"` // arrivals after some 260 000 later ones: counted as lost

	// Bursts is the distribution of how many in a row were lost.
	Bursts *Histogram `json:"bursts,omitempty"`
	// Extents is the distribution of how far messages came out of order: how
	// many that were sent later had come before.
	Extents *Histogram `json:"extents,omitempty"`
	// Jitter is the distribution of the change of the transit time from one
	// message to the next, in either direction (RFC 3550, section 6.4.1, before
	// its smoothing; RFC 3393). The clocks of the ends need not agree.
	Jitter *Histogram `json:"jitter,omitempty"`
	// SmoothedJitter is the mean of those changes as RFC 3550 smooths it, which
	// is what other programs call jitter.
	SmoothedJitter time.Duration `json:"smoothed_jitter_ns,omitempty"`
}

// LostShare returns the part of the messages that was lost, 0 to 1.
func (a *Arrivals) LostShare() float64 {
	if a == nil || a.Expected == 0 {
		return 0
	}
	return float64(a.Lost) / float64(a.Expected)
}

// Merge adds what arrived over another flow, which may be nil.
func (a *Arrivals) Merge(b *Arrivals) {
	if b == nil {
		return
	}
	a.Expected += b.Expected
	a.Lost += b.Lost
	a.Repeated += b.Repeated
	a.Reordered += b.Reordered
	a.TooLate += b.TooLate
	a.SmoothedJitter = max(a.SmoothedJitter, b.SmoothedJitter)
	for _, h := range []struct {
		to   **Histogram
		from *Histogram
	}{{&a.Bursts, b.Bursts}, {&a.Extents, b.Extents}, {&a.Jitter, b.Jitter}} {
		switch {
		case h.from == nil:
		case *h.to == nil:
			*h.to = NewHistogram(h.from.Unit())
			fallthrough
		default:
			(*h.to).Merge(h.from)
		}
	}
}
