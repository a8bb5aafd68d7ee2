package bench

import (
	"context"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/sockettest"
)

// faultyDial serves datagrams in memory, and reaches the server over a socket
// with a fault in every so many messages that it sends.
func faultyDial(t *testing.T, fault sockettest.Fault, every int) Dial {
	dial := serve(t, &Server{}, "memory-dgram:lossy"+fault.String())
	return func(ctx context.Context) (*socket.Socket, error) {
		s, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return sockettest.Faulty(s, fault, every), nil
	}
}

// TestLossyLink measures links whose true figures are known.
func TestLossyLink(t *testing.T) {
	const count, every = 5000, 10
	for _, c := range []struct {
		fault                     sockettest.Fault
		lost, repeated, reordered int64
	}{
		{sockettest.Lose, count / every, 0, 0},
		{sockettest.Repeat, 0, count / every, 0},
		{sockettest.Reorder, 0, 0, count / every},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			t.Parallel()
			r := measure(t, faultyDial(t, c.fault, every), Options{Mode: Stream, Count: count, Size: 200})
			a := r.Far.Arrivals
			// The faults count the greeting and the report's frames too, so the first
			// and the last may fall on those.
			near := func(what string, got, want int64) {
				if got < want-1 || got > want+1 {
					t.Errorf("%d messages were %s, want %d", got, what, want)
				}
			}
			near("lost", a.Lost, c.lost)
			near("repeated", a.Repeated, c.repeated)
			near("reordered", a.Reordered, c.reordered)
			if a.Expected != count {
				t.Errorf("%d messages were expected, want %d", a.Expected, count)
			}
			if a.Lost > 0 && (a.Bursts.Count() != a.Lost || a.Bursts.Max() != 1) {
				t.Errorf("lost in a row: %d times, up to %d", a.Bursts.Count(), a.Bursts.Max())
			}
			if a.Reordered > 0 && a.Extents.Max() != 1 {
				t.Errorf("reordered by up to %d", a.Extents.Max())
			}
		})
	}
}

// TestLossyRoundTrips loses requests: the others are measured, and those are
// counted.
func TestLossyRoundTrips(t *testing.T) {
	const count, every = 60, 10
	for name, o := range map[string]Options{
		"closed": {Mode: RoundTrip, Count: count, Patience: 2 * time.Second},
		"rate":   {Mode: AtRate, Rate: 2000, Count: count, Patience: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			dial := faultyDial(t, sockettest.Lose, every)
			r := measure(t, dial, o)
			if r.Unanswered < count/every-1 || r.Unanswered > count/every+1 || r.Near.Sent.Messages != count {
				t.Errorf("%d of %d unanswered, want %d of %d", r.Unanswered, r.Near.Sent.Messages, count/every, count)
			}
		})
	}
}

// TestCorruptLink sees that changed content is found at either end, and only
// by whoever was asked to look.
func TestCorruptLink(t *testing.T) {
	const count, every = 1000, 20
	for _, verify := range []bool{true, false} {
		r := measure(t, faultyDial(t, sockettest.Corrupt, every), Options{Mode: Stream, Count: count, Size: 4000, Verify: verify})
		switch got := r.Corrupt(); {
		case !verify && got > 1: // a flipped bit may lie in the header, and show
			t.Errorf("%d corrupt messages without looking", got)
		case verify && (got < count/every*9/10 || got > count/every+1):
			t.Errorf("%d corrupt messages, want %d", got, count/every)
		}
	}
}
