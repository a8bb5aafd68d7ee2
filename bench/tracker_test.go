package bench

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// plain finds out the same as a tracker, from the whole list at once.
func plain(numbers []uint64, expected int64) (a Arrivals, bursts, extents []int64) {
	seen := map[uint64]bool{}
	greatest := uint64(0)
	for i, n := range numbers {
		switch {
		case seen[n]:
			a.Repeated++
			continue
		case i > 0 && n < greatest:
			a.Reordered++
			before := int64(0)
			for m := range seen {
				if m > n {
					before++
				}
			}
			extents = append(extents, before)
		}
		seen[n] = true
		greatest = max(greatest, n)
	}
	if len(numbers) > 0 {
		expected = max(expected, int64(greatest)+1)
	}
	a.Expected = expected
	run := int64(0)
	for n := range uint64(expected) {
		if !seen[n] {
			a.Lost++
			run++
		} else if run > 0 {
			bursts = append(bursts, run)
			run = 0
		}
	}
	if run > 0 {
		bursts = append(bursts, run)
	}
	return a, bursts, extents
}

func sameValues(t *testing.T, what string, h *Histogram, values []int64) {
	t.Helper()
	want := NewHistogram(Messages)
	for _, v := range values {
		want.Record(v)
	}
	if h.Count() != want.Count() || h.Count() > 0 && (h.Max() != want.Max() || h.Mean() != want.Mean()) {
		t.Errorf("%s: %d of them, want %d", what, h.Count(), want.Count())
	}
}

func compare(t *testing.T, numbers []uint64, expected int64) {
	t.Helper()
	track := newTracker()
	for _, n := range numbers {
		track.arrived(n, 0, 0)
	}
	got := track.finish(0, expected)
	want, bursts, extents := plain(numbers, expected)
	if got.Expected != want.Expected || got.Lost != want.Lost || got.Repeated != want.Repeated || got.Reordered != want.Reordered || got.TooLate != 0 {
		t.Errorf("of %d numbers: %+v, want %+v", len(numbers), got, want)
	}
	sameValues(t, "bursts", got.Bursts, bursts)
	sameValues(t, "extents", got.Extents, extents)
}

func TestTracker(t *testing.T) {
	compare(t, nil, 0)
	compare(t, nil, 7)
	compare(t, []uint64{0, 1, 2}, 3)
	compare(t, []uint64{1, 0, 3, 3, 2, 9}, 12)
	compare(t, []uint64{200, 100, 0}, 0)
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		var numbers []uint64
		for n := range uint64(1000) {
			switch r.IntN(12) {
			case 0: // lost
			case 1: // repeated
				numbers = append(numbers, n, n)
			case 2: // reordered
				at := max(0, len(numbers)-r.IntN(200))
				numbers = append(numbers[:at:at], append([]uint64{n}, numbers[at:]...)...)
			default:
				numbers = append(numbers, n)
			}
		}
		compare(t, numbers, 1000)
	}
}

// TestTrackerWindow passes the window's end: what is older counts as lost,
// and a number far away costs no time.
func TestTrackerWindow(t *testing.T) {
	track := newTracker()
	for n := range uint64(3 * windowSize) {
		if n%1000 != 7 {
			track.arrived(n, 0, 0)
		}
	}
	track.arrived(7, 0, 0)
	const far = math.MaxUint64 / 4
	track.arrived(far, 0, 0)
	track.arrived(far, 0, 0)
	a := track.finish(0, 0)
	lost := int64(3*windowSize-7+999)/1000 + (far - 3*windowSize)
	if a.TooLate != 1 || a.Repeated != 1 || a.Reordered != 0 || a.Lost != lost {
		t.Errorf("too late %d, repeated %d, reordered %d, lost %d, want 1, 1, 0, %d", a.TooLate, a.Repeated, a.Reordered, a.Lost, lost)
	}
}

func TestJitter(t *testing.T) {
	track := newTracker()
	for n := range uint64(100) {
		at := time.Duration(n) * time.Millisecond
		track.arrived(n, at+time.Hour+time.Duration(n%2)*3*time.Millisecond, at) // the clocks differ by an hour
	}
	a := track.finish(0, 100)
	if v, ok := a.Jitter.Percentile(50); !ok || a.Jitter.Min() != int64(3*time.Millisecond) || a.Jitter.Max() != int64(3*time.Millisecond) {
		t.Errorf("jitter %d (%v), %d to %d, want 3ms", v, ok, a.Jitter.Min(), a.Jitter.Max())
	}
	if j := a.SmoothedJitter; j < 2900*time.Microsecond || j > 3*time.Millisecond {
		t.Errorf("smoothed jitter %v, want nearly 3ms", j)
	}
}

func TestTrackerAllocates(t *testing.T) {
	track := newTracker()
	n := uint64(0)
	if a := testing.AllocsPerRun(1000, func() { track.arrived(n, time.Duration(n), 0); n += 1 + n%3 }); a > 0 {
		t.Errorf("an arrival allocates %v times", a)
	}
}
