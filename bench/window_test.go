package bench

import (
	"testing"
	"time"

	"zocalo/socket/sockettest"
)

// TestWarmUpDoesNotCount has losses in the warm-up and in the measured time:
// those of the latter count, and the ends know of the same messages.
func TestWarmUpDoesNotCount(t *testing.T) {
	dial := faultyDial(t, sockettest.Lose, 10)
	for _, d := range []Direction{Forward, Reverse} {
		r := measure(t, dial, Options{Mode: Stream, Direction: d, Rate: 2000, Batch: 1, Size: 200, Duration: 500 * time.Millisecond, WarmUp: 500 * time.Millisecond, Interval: 300 * time.Millisecond})
		from, to := r.Near, r.Far
		if d == Reverse {
			from, to = to, from
		}
		a, sent, received := to.Arrivals, from.Sent.Messages, to.Received.Messages
		if sent == 0 || a.Expected != sent || a.Lost != sent-received || d == Forward && a.Lost < sent/10-1 {
			t.Errorf("%s: %d expected and %d lost of %d sent, of which %d came", d, a.Expected, a.Lost, sent, received)
		}
		if a.Jitter.Count() != received-1 || a.Lost > 0 && a.Bursts.Count() != a.Lost {
			t.Errorf("%s: jitter of %d of %d messages, %d gaps for %d lost", d, a.Jitter.Count(), received, a.Bursts.Count(), a.Lost)
		}
		var inIntervals int64
		for _, i := range r.Intervals {
			inIntervals += i.Traffic.Messages
		}
		if inIntervals < sent {
			t.Errorf("%s: %d messages in intervals, %d were measured", d, inIntervals, sent)
		}
	}
}

// TestTrackerWarmUp repeats, loses and delays messages on both sides of where
// the measured time begins.
func TestTrackerWarmUp(t *testing.T) {
	for name, known := range map[string]int64{"known": 10, "unknown": 0} {
		track := newTracker()
		for _, n := range []uint64{0, 2, 1, 5, 5, 7} { // 3, 4, 6, 8 and 9 are lost
			track.warmUp(n)
		}
		for _, n := range []uint64{12, 11, 11, 15} { // 10, 13, 14, 16 are lost
			track.arrived(n, 0, 0)
		}
		track.warmUp(1)
		a := track.finish(known, 17)
		// Where nobody says where it began, what is lost there is of the measured
		// time.
		first := int64(10)
		if known == 0 {
			first = 8
		}
		if a.Expected != 17-first || a.Lost != 14-first || a.Repeated != 1 || a.Reordered != 1 || a.Bursts.Count() != 3 || a.Jitter.Count() != 3 || a.Bursts.Max() != max(2, 11-first) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// TestServerTellsAfterLongRun measures for longer than nothing may move in.
func TestServerTellsAfterLongRun(t *testing.T) {
	for _, text := range []string{"tcp:127.0.0.1:0", "udp:127.0.0.1:0"} {
		r := measure(t, serve(t, &Server{}, text), Options{Mode: RoundTrip, Duration: 1500 * time.Millisecond, Patience: 500 * time.Millisecond})
		if r.Far == nil {
			t.Errorf("%s: the server has not told: %q", text, r.Remarks)
		}
	}
}

// TestFaultsOfMeasuredTime repeats and reorders every tenth message, in the warm-up too: those of the measured
// time count, and no others.
func TestFaultsOfMeasuredTime(t *testing.T) {
	for _, fault := range []sockettest.Fault{sockettest.Repeat, sockettest.Reorder} {
		r := measure(t, faultyDial(t, fault, 10), Options{Mode: Stream, Rate: 2000, Batch: 1, Size: 200, Duration: 500 * time.Millisecond, WarmUp: 500 * time.Millisecond, Interval: 100 * time.Millisecond})
		a, sent, received := r.Far.Arrivals, r.Near.Sent.Messages, r.Far.Received.Messages
		if a.Expected != sent || a.Lost != 0 || a.Repeated != received-sent {
			t.Errorf("%v: %d sent, %d received: %+v", fault, sent, received, a)
		}
		got := map[sockettest.Fault]int64{sockettest.Repeat: a.Repeated, sockettest.Reorder: a.Reordered}
		for f, n := range got {
			// The message on either side of where the measured time begins may be one of them.
			if want := sent / 10; f == fault && (n < want-2 || n > want+2) || f != fault && n != 0 {
				t.Errorf("%v: %d of %d were %v; want %d", fault, n, sent, f, want)
			}
		}
	}
}
