package bench

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/socket"
)

// roundTrip measures requests and their answers in a closed loop.
func (r *run) roundTrip(ctx context.Context) error {
	return r.exchange(ctx, func(t *trips) error { return t.run(ctx, r.options.Duration) })
}

// atRate measures the same in an open loop.
func (r *run) atRate(ctx context.Context) error {
	r.result.Lateness = NewHistogram(Nanoseconds)
	return r.exchange(ctx, func(t *trips) error { return t.run(ctx, r.options.Duration) })
}

// exchange opens the flows of requests, measures, and puts the result
// together.
func (r *run) exchange(ctx context.Context, measure func(*trips) error) error {
	flows, err := r.openAll(ctx, func(i int) greeting {
		g := r.asking(echoed, i)
		g.count, g.gap = r.options.share(i), r.options.gap()
		return g
	})
	if err != nil {
		return err
	}
	defer closeAll(flows)
	w, err := r.watch(ctx, flows[0])
	if err != nil {
		return err
	}
	t := newTrips(&r.options, flows, w.mark)
	if err := measure(t); err != nil {
		w.cancel()
		return err
	}
	if r.options.Mode == RoundTrip {
		r.result.Conditions.Depth = r.options.Depth
	}
	r.result.Intervals = t.phase.intervals
	r.result.Elapsed = t.phase.elapsed
	r.result.Latency = t.watch.total()
	r.result.Unanswered = t.unanswered()
	r.result.Near = t.side()
	if r.options.Mode == AtRate {
		r.result.Lateness = t.late.total()
	}
	var sockets []*socket.Socket
	for _, f := range flows {
		sockets = append(sockets, f.socket)
	}
	r.tcp(sockets)
	w.end(r)
	return nil
}

// Trips are requests and their answers over some flows, at one time.
type trips struct {
	options *Options
	flows   []*flow
	mark    func() // tells the server that the measured time begins

	phase    phase
	watch    *stopwatch // round trips, or from when they were due
	late     *stopwatch // of an open loop
	stop     atomic.Bool
	answered counter      // the warm-up too
	counted  counter      // in the measured time
	requests atomic.Int64 // in the measured time
	corrupt  atomic.Int64
	repeated atomic.Int64 // answers that came more than once, or after they were given up
}

func newTrips(o *Options, flows []*flow, mark func()) *trips {
	shards := min(len(flows), runtime.GOMAXPROCS(0))
	t := &trips{options: o, flows: flows, mark: mark, watch: newStopwatch(shards)}
	if o.Mode == AtRate {
		t.late = newStopwatch(shards)
	}
	return t
}

// run makes requests over all flows, for the warm-up and the duration, or
// until the count is reached.
func (t *trips) run(ctx context.Context, d time.Duration) error {
	defer context.AfterFunc(ctx, func() { t.stop.Store(true) })()
	if d > 0 {
		defer time.AfterFunc(t.options.WarmUp+d, func() { t.stop.Store(true) }).Stop()
	}
	t.phase.options, t.phase.traffic, t.phase.times = t.options, func() Traffic { return t.answered.traffic(0) }, t.watch.interval
	t.phase.run(t.mark)
	defer t.phase.end()
	errs := make([]error, len(t.flows))
	var group sync.WaitGroup
	var failed sync.Once
	for i, f := range t.flows {
		group.Go(func() {
			x := &requester{trips: t, flow: f, shard: t.watch.shard(i), pace: pacer{coarse: t.options.coarse}}
			defer x.pace.close()
			if t.late != nil {
				x.late = t.late.shard(i)
			}
			if errs[i] = x.run(); errs[i] != nil {
				failed.Do(func() { // the other flows need not go on
					t.stop.Store(true)
					for _, other := range t.flows {
						other.socket.Close()
					}
				})
			}
		})
	}
	group.Wait()
	return first(errs)
}

// side is what the client sent and received.
func (t *trips) side() *Side {
	received := t.counted.traffic(t.phase.elapsed)
	sent := received
	if received.Messages > 0 {
		sent.Bytes += t.unanswered() * (received.Bytes / received.Messages)
	}
	sent.Messages += t.unanswered()
	return &Side{Sent: sent, Received: received, Processor: t.phase.spent, Corrupt: t.corrupt.Load()}
}

// answer notes an answered request that was sent, or due, at from.
func (t *trips) answer(s *shard, from, now time.Time, bytes int) {
	counts := !from.Before(t.phase.start)
	s.record(now.Sub(from), counts)
	t.answered.add(bytes, 1)
	if counts {
		t.counted.add(bytes, 1)
	}
}

// asked notes a request that was sent, or due, at from.
func (t *trips) asked(from time.Time) {
	if !from.Before(t.phase.start) {
		t.requests.Add(1)
	}
}

// unanswered is how many requests of the measured time were not answered.
func (t *trips) unanswered() int64 {
	return max(0, t.requests.Load()-t.counted.messages.Load())
}
