package bench

import (
	"sync"
	"time"
)

// A stopwatch takes the times of a run from many goroutines: all of the
// measured time, and those of the current interval.
type stopwatch struct{ shards []shard }

type shard struct {
	mu          sync.Mutex
	whole, part *Histogram
	_           [64]byte // of its own cache line
}

// newStopwatch makes one with so many parts that do not wait for each other.
func newStopwatch(shards int) *stopwatch {
	w := &stopwatch{make([]shard, shards)}
	for i := range w.shards {
		w.shards[i].whole, w.shards[i].part = NewHistogram(Nanoseconds), NewHistogram(Nanoseconds)
	}
	return w
}

// shard is the part that the flow of that number uses.
func (w *stopwatch) shard(flow int) *shard { return &w.shards[flow%len(w.shards)] }

// record adds a time; counts says whether it is in the measured time.
func (s *shard) record(d time.Duration, counts bool) {
	s.mu.Lock()
	if counts {
		s.whole.RecordTime(d)
	}
	s.part.RecordTime(d)
	s.mu.Unlock()
}

// interval returns the median and the greatest time of the interval that
// ends, and begins another.
func (w *stopwatch) interval() (median, greatest time.Duration) {
	all := NewHistogram(Nanoseconds)
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		all.Merge(s.part)
		s.part.Reset()
		s.mu.Unlock()
	}
	return time.Duration(all.Median()), time.Duration(all.Max())
}

// total returns all times that count.
func (w *stopwatch) total() *Histogram {
	all := NewHistogram(Nanoseconds)
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		all.Merge(s.whole)
		s.mu.Unlock()
	}
	return all
}
