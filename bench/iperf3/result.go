package iperf3

import (
	"math"
	"time"

	"zocalo/bench"
)

// Result is the client's report in the words of package bench. address is what
// the user wrote, program the name and version of the program that runs.
func (p *Report) Result(address, program string) *bench.Result {
	c := p.conditions
	c.Machine, c.Started, c.Address, c.Service = bench.ThisMachine(program), p.Started, address, "iperf3"
	c.Mode, c.Direction, c.Size, c.Flows = bench.Stream, p.Test.Direction, p.Test.Size, p.Test.Flows
	c.Duration, c.WarmUp, c.Count = p.Test.Duration, p.Test.Omit, p.Test.Blocks
	if p.Test.Endless {
		c.Duration = bench.MaxDuration
	}
	if p.Test.Rate > 0 {
		c.Rate = math.Round(100*float64(p.Test.Rate)/8/float64(p.Test.Size)*float64(p.Test.Flows)) / 100
	}
	r := &bench.Result{
		Conditions: c, Interrupted: p.Interrupted, Elapsed: p.Elapsed,
		Near: p.side(&p.Near), Intervals: p.Intervals, TCP: p.TCP,
	}
	if p.Far != nil {
		r.Far = p.side(p.Far)
		if !p.Test.UDP { // else the receiver counts what was lost
			r.RemarkRates("client", "server", r.Near.Sent, r.Far.Received)
			r.RemarkRates("server", "client", r.Far.Sent, r.Near.Received)
		}
	} else {
		r.Remarks = append(r.Remarks, "the server did not report what it counted")
	}
	if p.Interrupted {
		r.Remarks = append(r.Remarks, "the run was interrupted: the figures cover what happened until then")
	}
	if p.Test.ZeroCopy && p.Test.forward() {
		r.Remarks = append(r.Remarks, "this end copies what it sends: sendfile is the server's")
	}
	return r
}

// side is one end's figures.
func (p *Report) side(e *End) *bench.Side {
	s := &bench.Side{Sent: e.Sent(), Received: e.Received()}
	of := func(percent float64) time.Duration { return time.Duration(percent / 100 * float64(p.Elapsed)) }
	s.Processor = bench.Processor{User: of(e.Processor[0]), System: of(e.Processor[1])}
	if !p.Test.UDP {
		// Writes, as long as they were: what is received has lost their bounds.
		s.Sent.Messages, s.Received.Messages = s.Sent.Bytes/int64(p.Test.Size), s.Received.Bytes/int64(p.Test.Size)
		return s
	}
	for _, f := range e.Flows {
		if f.Sends {
			continue
		}
		if s.Arrivals == nil {
			s.Arrivals = &bench.Arrivals{}
		}
		s.Arrivals.Expected += f.Packets
		s.Arrivals.Lost += f.Lost
		s.Arrivals.Reordered += f.Late
		s.Arrivals.SmoothedJitter = max(s.Arrivals.SmoothedJitter, f.Jitter)
	}
	return s
}
