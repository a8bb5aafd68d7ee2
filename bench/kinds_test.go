package bench

import (
	"testing"
)

// TestStreamKinds moves data over every kind, each way, and compares what
// both ends counted.
func TestStreamKinds(t *testing.T) {
	for name, text := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			dial := serve(t, &Server{}, text)
			for _, d := range []Direction{Forward, Reverse, Both} {
				r := measure(t, dial, Options{Mode: Stream, Direction: d, Flows: 2, Verify: true, Count: 60})
				if d != Reverse {
					sameEnds(t, name, r.Near.Sent, r.Far.Received, r.Far.Arrivals)
				}
				if d != Forward {
					sameEnds(t, name, r.Far.Sent, r.Near.Received, r.Near.Arrivals)
				}
				if r.Near.Corrupt+r.Far.Corrupt > 0 {
					t.Errorf("%d and %d messages were corrupt", r.Near.Corrupt, r.Far.Corrupt)
				}
			}
		})
	}
}

func sameEnds(t *testing.T, kind string, sent, received Traffic, a *Arrivals) {
	t.Helper()
	if sent.Bytes == 0 || received.Bytes == 0 || received.Elapsed < 0 {
		t.Errorf("sent %+v, received %+v", sent, received)
	}
	switch kind {
	case "udp", "iso-dgram", "idp": // they may lose, but not make up
		if received.Bytes > sent.Bytes || a == nil {
			t.Errorf("sent %d bytes, received %d; arrivals %+v", sent.Bytes, received.Bytes, a)
		}
	default:
		if received.Bytes != sent.Bytes || received.Messages != sent.Messages {
			t.Errorf("sent %+v, received %+v", sent, received)
		}
	}
}

func TestRoundTripKinds(t *testing.T) {
	for name, text := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			dial := serve(t, &Server{}, text)
			for _, o := range []Options{
				{Mode: RoundTrip, Verify: true, Count: 100},
				{Mode: RoundTrip, Verify: true, Depth: 4, Flows: 3, Count: 300},
				{Mode: AtRate, Verify: true, Rate: 2000, Flows: 2, Count: 100},
			} {
				r := measure(t, dial, o)
				if r.Latency.Count() == 0 || r.Latency.Min() <= 0 || r.Near.Corrupt > 0 {
					t.Errorf("%s: %d times, least %d, %d corrupt", o.Mode, r.Latency.Count(), r.Latency.Min(), r.Near.Corrupt)
				}
				if r.Far == nil || !r.OneProcess {
					t.Errorf("%s: the server's side is %+v; remarks %q", o.Mode, r.Far, r.Remarks)
				}
				if got := r.Near.Received.Messages + r.Unanswered; got != r.Near.Sent.Messages {
					t.Errorf("%s: %d sent, %d answered, %d not", o.Mode, r.Near.Sent.Messages, r.Near.Received.Messages, r.Unanswered)
				}
			}
		})
	}
}
