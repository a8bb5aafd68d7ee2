package bench

import (
	"fmt"
	"time"

	"zocalo/internal/units"
)

// The bounds from which on a remark is made.
const (
	mostDisagreement = 0.05 // between the rates of both ends
	mostBusy         = 0.90 // of the processors that the generator can use
	leastRate        = 0.98 // of the rate that was asked for
	mostLateness     = 0.10 // of the median latency, that the generator adds
)

func (r *Result) remarkf(format string, args ...any) {
	r.Remarks = append(r.Remarks, fmt.Sprintf(format, args...))
}

// remark says what a reader must know to trust the figures.
func (r *Result) remark() {
	if r.Interrupted {
		r.remarkf("the run was interrupted: the figures cover what happened until then")
	}
	switch {
	case r.Elapsed > 0:
	case r.Idle.Count() > 0:
		r.remarkf("the run ended before the stream began")
		return
	default:
		r.remarkf("nothing was measured: the run ended within the warm-up of %s", units.Set(r.Conditions.WarmUp))
		return
	}
	r.remarkEnds()
	r.remarkReceivers()
	r.remarkGenerator()
	if n := r.Corrupt(); n > 0 {
		r.remarkf("%s messages arrived with changed content", units.Count(n))
	}
	if r.OneProcess {
		r.remarkf("both ends are in one process: its CPU time is that of both")
	}
}

// remarkEnds compares what both ends say.
func (r *Result) remarkEnds() {
	if r.Near == nil || r.Far == nil {
		return
	}
	for _, way := range []struct {
		sender, receiver string
		sent, received   Traffic
		arrivals         *Arrivals
	}{
		{"client", "server", r.Near.Sent, r.Far.Received, r.Far.Arrivals},
		{"server", "client", r.Far.Sent, r.Near.Received, r.Near.Arrivals},
	} {
		if r.Conditions.Mode != Stream && r.Conditions.Mode != Loaded || way.sent.Bytes == 0 && way.received.Bytes == 0 {
			continue
		}
		whole := way.arrivals == nil || way.arrivals.Lost+way.arrivals.Repeated == 0
		if whole && way.sent.Bytes != way.received.Bytes {
			r.remarkf("the ends disagree: the %s counted %s bytes sent, the %s %s received", way.sender, units.Count(way.sent.Bytes), way.receiver, units.Count(way.received.Bytes))
			continue
		}
		if whole && way.received.BitsPerSecond() > 0 { // more than one message
			r.RemarkRates(way.sender, way.receiver, way.sent, way.received)
		}
	}
}

// RemarkRates says so where the rates of both ends of a way, on which nothing was
// lost, disagree.
func (r *Result) RemarkRates(sender, receiver string, sent, received Traffic) {
	a, b := sent.BitsPerSecond(), received.BitsPerSecond()
	if max(a, b) > (1+mostDisagreement)*min(a, b) {
		r.remarkf("the ends disagree: the %s sent %s, the %s received %s; the difference was still under way, or the run too short", sender, units.Rate(a), receiver, units.Rate(b))
	}
}

// remarkGenerator says whether the generator was the bottleneck.
func (r *Result) remarkGenerator() {
	c := &r.Conditions
	if c.Rate > 0 && !r.Interrupted && c.Direction != Reverse {
		if got := r.Near.Sent.MessagesPerSecond(); got < leastRate*c.Rate {
			r.remarkf("the generator did not keep its rate: it sent %s messages per second, %.1f%% of what was asked for", units.Number(got), 100*got/c.Rate)
		}
	}
	if r.Lateness.Count() > 0 && r.Latency.Count() > 0 {
		late, latency := time.Duration(r.Lateness.Median()), time.Duration(r.Latency.Median())
		if float64(late) > mostLateness*float64(latency) {
			r.remarkf("the generator is part of what was measured: half of the requests were sent more than %s after they were due, with a median latency of %s", units.Time(late), units.Time(latency))
		}
	}
	if c.Mode != Stream && c.Mode != Loaded && c.Mode != RoundTrip || r.Near == nil || r.OneProcess {
		return
	}
	// A flow keeps one processor busy for each of its directions.
	usable := min(c.Flows, c.Machine.Processors)
	if c.Direction == Both {
		usable = min(2*c.Flows, c.Machine.Processors)
	}
	busy := float64(r.Near.Processor.Total()) / float64(r.Elapsed) / float64(usable)
	if busy >= mostBusy && c.Rate == 0 {
		r.remarkf("the client was busy for %.0f%% of the time: it, rather than the path or the server, may be the bottleneck", 100*min(busy, 1))
	}
}
