package bench

import (
	"math"
	"math/bits"
	"time"
)

// A tracker finds out of the numbers of messages, in the order in which they
// arrive, which were lost, repeated and reordered. It remembers which of the
// last numbers arrived; a message that comes later than that counts as lost.
// In order, a message costs some nanoseconds and no allocation.
type tracker struct {
	window [windowWords]uint64 // a bit for each number from base on, in a ring; set where it arrived
	base   uint64              // least number in the window, a multiple of 64
	next   uint64              // one more than the greatest that arrived

	// A lower bound of the first number of the measured time: what came before
	// is remembered, so that it is no gap, and counts nowhere.
	first uint64

	repeated, reordered, tooLate, distinct int64
	run                                    uint64     // how many in a row were lost up to base
	bursts, extents, jitter                *Histogram // nil until there is a value

	transit  time.Duration // of the last arrival, by two clocks that need not agree
	arrivals int64
	smoothed float64 // RFC 3550, section 6.4.1, in nanoseconds
}

const (
	windowWords = 4096
	windowSize  = windowWords * 64
)

func newTracker() *tracker { return new(tracker) }

// record records a value. Whoever merely says that it will send costs no
// histogram.
func record(h **Histogram, unit Unit, v int64) {
	if *h == nil {
		*h = NewHistogram(unit)
	}
	(*h).Record(v)
}

// arrived notes one arrival. at and stamp are when it came and was sent, each
// by the clock of its own end.
func (t *tracker) arrived(number uint64, at, stamp time.Duration) {
	t.timed(at - stamp)
	switch fresh, earlier := t.mark(number); {
	case number < t.base:
		t.tooLate++
	case !fresh:
		t.repeated++
	default:
		t.distinct++
		if earlier {
			t.reordered++
			record(&t.extents, Messages, t.later(number))
		}
	}
}

// warmUp notes the arrival of a message of the warm-up.
func (t *tracker) warmUp(number uint64) {
	t.mark(number)
	t.first = max(t.first, number+1)
}

// mark remembers a number. It is fresh if it came for the first time, and
// earlier if a greater one has come.
func (t *tracker) mark(number uint64) (fresh, earlier bool) {
	if number >= t.base+windowSize {
		t.advance(number)
	}
	word, bit := &t.window[number/64%windowWords], uint64(1)<<(number%64)
	if number < t.base || *word&bit != 0 {
		return false, false
	}
	*word |= bit
	earlier = number < t.next
	t.next = max(t.next, number+1)
	return true, earlier
}

// timed notes the change of the transit time.
func (t *tracker) timed(transit time.Duration) {
	if t.arrivals++; t.arrivals > 1 {
		change := (transit - t.transit).Abs()
		record(&t.jitter, Nanoseconds, int64(change))
		t.smoothed += (float64(change) - t.smoothed) / 16
	}
	t.transit = transit
}

// later returns how many of greater number have arrived.
func (t *tracker) later(number uint64) int64 {
	n := bits.OnesCount64(t.window[number/64%windowWords] >> (number % 64) >> 1)
	for at := number/64*64 + 64; at < t.next; at += 64 {
		n += bits.OnesCount64(t.window[at/64%windowWords])
	}
	return int64(n)
}

// advance moves the window so that the number is in it.
func (t *tracker) advance(number uint64) {
	base := number/64*64 - windowSize + 64
	for t.base < base {
		if t.base >= t.next { // nothing from here on has arrived
			t.run += base - t.base
			t.base = base
			return
		}
		t.retire(t.window[t.base/64%windowWords], 64)
		t.window[t.base/64%windowWords] = 0
		t.base += 64
	}
}

// retire counts the first n numbers of a word of the window as arrived or
// lost for good.
func (t *tracker) retire(word uint64, n int) {
	if word == math.MaxUint64 && t.run == 0 {
		return
	}
	for i := range n {
		if word>>i&1 == 0 {
			t.run++
		} else if t.run > 0 {
			t.burst(t.base + uint64(i))
		}
	}
}

// burst ends a run of what was lost, of which what belongs to the measured time
// counts.
func (t *tracker) burst(end uint64) {
	if lost := min(t.run, end-min(t.first, end)); lost > 0 {
		record(&t.bursts, Messages, int64(min(lost, math.MaxInt64)))
	}
	t.run = 0
}

// finish returns what happened to messages first to expected-1, where first is
// as many as the warm-up had, if that is known, and else 0. It is the last
// call.
func (t *tracker) finish(first, expected int64) *Arrivals {
	t.first = max(t.first, uint64(max(first, 0)))
	end := max(uint64(max(expected, 0)), t.next, t.first)
	for t.base < end {
		if t.base >= t.next {
			t.run += end - t.base
			t.base = end
			break
		}
		t.retire(t.window[t.base/64%windowWords], int(min(64, end-t.base)))
		t.base += 64
	}
	t.burst(end)
	all := int64(min(end-t.first, math.MaxInt64))
	return &Arrivals{
		Expected: all, Lost: max(all-t.distinct, 0), Repeated: t.repeated, Reordered: t.reordered, TooLate: t.tooLate,
		Bursts: t.bursts, Extents: t.extents, Jitter: t.jitter, SmoothedJitter: time.Duration(t.smoothed),
	}
}
