package bench

import (
	"context"
	"sync"
)

// loaded measures round trips without load, then with a stream beside them,
// each for the duration.
func (r *run) loaded(ctx context.Context) error {
	o := r.options
	o.Flows, o.Size, o.Verify = 1, 0, r.options.Verify
	f, err := open(ctx, r.dial, r.asking(echoed, r.options.Flows+1).of(requestSize), &o)
	if err != nil {
		return err
	}
	defer func() { f.socket.Close() }() // the one that it has by then
	b, err := r.openBulk(ctx)
	if err != nil {
		return err
	}
	defer b.close()

	idle := newTrips(&o, []*flow{f}, nil)
	if err := idle.run(ctx, o.Duration); err != nil {
		return err
	}
	r.result.Idle = idle.watch.total()
	if ctx.Err() != nil {
		return nil
	}

	busy := newTrips(&o, []*flow{f}, nil)
	var group sync.WaitGroup
	var tripErr error
	p := &phase{options: &r.options, traffic: b.traffic, times: busy.watch.interval}
	quiet := o
	quiet.OnInterval = nil // the stream's intervals tell of both
	busy.options = &quiet
	p.run(nil)
	group.Go(func() { tripErr = busy.run(ctx, o.Duration) })
	err = b.run(ctx)
	busy.stop.Store(true)
	group.Wait()
	p.end()
	if err == nil {
		err = tripErr
	}
	if err != nil {
		return err
	}
	r.result.Latency = busy.watch.total()
	r.result.Unanswered = busy.unanswered() + idle.unanswered()
	r.result.Intervals = p.intervals
	r.result.Near = b.near(p.spent)
	r.result.Elapsed = max(r.result.Near.Sent.Elapsed, r.result.Near.Received.Elapsed)
	r.ends(b)
	return nil
}

// of is the greeting with another size.
func (g greeting) of(size int) greeting {
	g.size = size
	return g
}
