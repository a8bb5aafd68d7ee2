package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/socket"
)

// connect measures how many connections can be made, and how long each takes.
func (r *run) connect(ctx context.Context) error {
	o := &r.options
	// One connection that shows the kind, and that somebody is there.
	c, err := r.dial(ctx)
	if err != nil {
		return err
	}
	r.result.Conditions.Look(c)
	connected := c.Properties().Connected
	kind := kindName(c)
	c.Close()
	if !connected {
		return refusef("a %s socket has no connections", kind)
	}
	m := &connecting{run: r, watch: newStopwatch(o.Flows)}
	defer context.AfterFunc(ctx, func() { m.stop.Store(true) })()
	if o.Duration > 0 {
		defer time.AfterFunc(o.WarmUp+o.Duration, func() { m.stop.Store(true) }).Stop()
	}
	p := &phase{options: o, traffic: func() Traffic { return m.made.traffic(0) }, times: m.watch.interval}
	m.phase = p
	p.run(nil)
	errs := make([]error, o.Flows)
	var group sync.WaitGroup
	for i := range o.Flows {
		group.Go(func() { errs[i] = m.repeat(ctx, i) })
	}
	group.Wait()
	p.end()
	if err := first(errs); err != nil {
		return err
	}
	r.result.Conditions.Size = 0
	r.result.Intervals, r.result.Elapsed = p.intervals, p.elapsed
	r.result.Latency = m.watch.total()
	r.result.Near = &Side{Sent: Traffic{Messages: r.result.Latency.Count(), Elapsed: p.elapsed}, Processor: p.spent}
	r.result.Failed = m.failed.Load()
	if f := m.failure.Load(); f != nil {
		r.result.FailedFor = *f
	}
	return nil
}

// Connecting is a run of connections.
type connecting struct {
	run     *run
	phase   *phase
	watch   *stopwatch
	stop    atomic.Bool
	made    counter // the warm-up too
	failed  atomic.Int64
	failure atomic.Pointer[string]
}

// mostFailures in a row end a run: nobody is there any more.
const mostFailures = 100

// repeat makes connections one after the other, each of which it resets, so
// that none keeps a port of the client's in time-wait.
func (m *connecting) repeat(ctx context.Context, flow int) error {
	o := &m.run.options
	share := o.share(flow)
	shard := m.watch.shard(flow)
	failures := 0
	for n := int64(0); !m.stop.Load() && (o.Count == 0 || n < share); n++ {
		c, start, end, err := m.one(ctx)
		counts := !start.Before(m.phase.start)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			text := err.Error()
			m.failure.CompareAndSwap(nil, &text)
			if counts {
				m.failed.Add(1)
			}
			if failures++; failures >= mostFailures {
				return err
			}
			continue
		}
		failures = 0
		shard.record(end.Sub(start), counts)
		m.made.add(0, 1)
		c.Abort()
	}
	return nil
}

func (m *connecting) one(ctx context.Context) (c *socket.Socket, start, end time.Time, err error) {
	start = time.Now()
	c, err = m.run.dial(ctx)
	return c, start, time.Now(), err
}
