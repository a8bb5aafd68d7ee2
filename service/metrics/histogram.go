package metrics

import (
	"slices"
	"sync/atomic"
	"time"
)

// A histogram counts durations by their length.
type histogram struct {
	bounds  []time.Duration // ascending; shared
	buckets []atomic.Int64  // one more than bounds: the last for what is longer
	sum     atomic.Int64    // nanoseconds
}

func newHistogram(bounds []time.Duration) *histogram {
	return &histogram{bounds: bounds, buckets: make([]atomic.Int64, len(bounds)+1)}
}

func (h *histogram) observe(d time.Duration) {
	d = max(d, 0)
	i, _ := slices.BinarySearch(h.bounds, d) // a bound belongs to its bucket
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// The bounds of histograms. They span what there is, from connections on one machine to those
// that stay for a day, in steps by which a percentile is worth reading.
var (
	pairBounds = []time.Duration{
		time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second, 5 * time.Second,
		30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
	}
	reachBounds = []time.Duration{
		100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
		10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second,
	}
)
