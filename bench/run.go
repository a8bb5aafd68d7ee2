package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"zocalo/socket"
)

// Run measures by the options, against whoever dial reaches. The end of ctx
// ends the measured time: the result then says that it was interrupted, and
// has the figures until then. Wrong options are an [*OptionError].
func Run(ctx context.Context, dial Dial, o Options) (*Result, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	r := &run{options: o, dial: dial, id: randomNumber(), result: &Result{}}
	c := &r.result.Conditions
	*c = Conditions{
		Started: time.Now(), Machine: ThisMachine(o.Program), Address: o.Address, Mode: o.Mode, Size: o.Size, Flows: o.Flows,
		Rate: o.Rate, Duration: o.Duration, Count: o.Count, WarmUp: o.WarmUp, Verify: o.Verify,
	}
	switch o.Mode {
	case Stream:
		err = r.stream(ctx)
	case RoundTrip:
		err = r.roundTrip(ctx)
	case AtRate:
		err = r.atRate(ctx)
	case Connect:
		err = r.connect(ctx)
	case Loaded:
		err = r.loaded(ctx)
	}
	var g groupSocket
	if errors.As(err, &g) { // the other modes have none
		g.Close()
		return nil, ErrGroup
	}
	if err != nil {
		return nil, err
	}
	r.result.Interrupted = ctx.Err() != nil
	r.result.remark()
	return r.result, nil
}

// A run is one measurement.
type run struct {
	options Options
	dial    Dial
	id      uint64
	result  *Result
}

// openAll opens the flows of a run, several at once.
func (r *run) openAll(ctx context.Context, ask func(i int) greeting) ([]*flow, error) {
	const atOnce = 16
	flows := make([]*flow, r.options.Flows)
	errs := make([]error, len(flows))
	// The first alone: its error is everybody's.
	if flows[0], errs[0] = open(ctx, r.dial, ask(0), &r.options); errs[0] != nil {
		return nil, errs[0]
	}
	var group sync.WaitGroup
	tokens := make(chan struct{}, atOnce)
	for i := 1; i < len(flows); i++ {
		tokens <- struct{}{}
		group.Go(func() {
			defer func() { <-tokens }()
			flows[i], errs[i] = open(ctx, r.dial, ask(i), &r.options)
		})
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			closeAll(flows)
			return nil, fmt.Errorf("flow %d of %d: %w", i+1, len(flows), err)
		}
	}
	r.result.Conditions.Look(flows[0].socket)
	r.result.Conditions.Service = flows[0].service()
	r.result.Conditions.Size = flows[0].ask.size
	return flows, nil
}

func closeAll(flows []*flow) {
	for _, f := range flows {
		if f != nil {
			f.socket.Close()
		}
	}
}

// asking is the greeting of a flow, as far as the options say it.
func (r *run) asking(s service, i int) greeting {
	o := &r.options
	return greeting{service: s, verify: o.Verify, size: o.Size, batch: o.Batch, run: r.id, flow: uint32(i)}
}

// A phase is the measured time of a run, with the warm-up before it.
type phase struct {
	options *Options
	begin   time.Time // of the warm-up
	start   time.Time // of the measured time, by the clock
	meter   meter     // this process
	spent   Processor
	elapsed time.Duration

	traffic func() Traffic // all that went until now
	// times are the median and the greatest of the last interval; nil where
	// nothing is timed.
	times func() (median, greatest time.Duration)

	before    Traffic   // until the end of the last interval
	began     time.Time // of the interval
	intervals []Interval
	stop      chan struct{}
	group     sync.WaitGroup
}

// run begins the phase. measured, which may be nil, is called when the
// warm-up is over.
func (p *phase) run(measured func()) {
	p.begin = time.Now()
	p.start = p.begin.Add(p.options.WarmUp)
	p.meter.alone = func() bool { return true }
	p.meter.begin()
	p.before, p.began = p.traffic(), p.begin
	p.stop = make(chan struct{})
	p.group.Go(func() { p.sample(measured) })
}

// end ends it.
func (p *phase) end() {
	p.elapsed = max(time.Since(p.start), 0)
	p.spent = p.meter.spent()
	close(p.stop)
	p.group.Wait()
}

// sample looks at the end of each interval.
func (p *phase) sample(measured func()) {
	if p.options.WarmUp > 0 {
		if !p.interval(p.begin, p.start, true) {
			return
		}
		p.meter.begin()
	}
	if measured != nil {
		measured()
	}
	for at := p.start; ; {
		next := at.Add(p.options.Interval)
		for time.Since(next) > 0 { // a busy machine came late: no intervals of nothing
			next = next.Add(p.options.Interval)
		}
		if !p.interval(at, next, false) {
			return
		}
		at = next
	}
}

// interval waits until it is over, and notes what went in it. The last one,
// which the end of the phase cuts short, is noted if anything went in it, so that
// all that went is in one.
func (p *phase) interval(from, to time.Time, warmUp bool) (more bool) {
	timer := time.NewTimer(time.Until(to))
	defer timer.Stop()
	more = true
	select {
	case <-timer.C:
	case <-p.stop:
		more = false
	}
	now := time.Now()
	t, before, began := p.traffic(), p.before, p.began
	if !more && t == before && now.Sub(from) < p.options.Interval/2 {
		return false
	}
	p.before, p.began = t, now
	i := Interval{Start: began.Sub(p.start), End: now.Sub(p.start), WarmUp: warmUp,
		Traffic: Traffic{t.Bytes - before.Bytes, t.Messages - before.Messages, now.Sub(began)}}
	if p.times != nil {
		i.Median, i.Max = p.times()
	}
	if len(p.intervals) < maxIntervals {
		p.intervals = append(p.intervals, i)
	}
	if p.options.OnInterval != nil {
		p.options.OnInterval(i)
	}
	return more
}

// maxIntervals bounds what is kept of a very long run.
const maxIntervals = 100_000

// far puts together what the server's reports say.
func (r *run) far(reports []*report) {
	if len(reports) == 0 {
		return
	}
	side := &Side{}
	shared := false
	for _, p := range reports {
		side.Sent.Add(p.Side.Sent)
		side.Received.Add(p.Side.Received)
		side.Corrupt += p.Side.Corrupt
		// Each flow of a process tells of all of it.
		side.Processor.User = max(side.Processor.User, p.Side.Processor.User)
		side.Processor.System = max(side.Processor.System, p.Side.Processor.System)
		shared = shared || p.Side.Processor.Shared
		if p.Side.Arrivals != nil {
			if side.Arrivals == nil {
				side.Arrivals = &Arrivals{}
			}
			side.Arrivals.Merge(p.Side.Arrivals)
		}
		if p.TCP != nil && r.options.Mode != RoundTrip && r.options.Mode != AtRate {
			if r.result.FarTCP == nil {
				r.result.FarTCP = &TCP{}
			}
			r.result.FarTCP.merge(p.TCP)
		}
		if p.Process == thisProcess() {
			shared = true
			r.result.OneProcess = true
		}
	}
	side.Processor.Shared = shared
	r.result.Far = side
	r.result.Conditions.FarMachine = &reports[0].Machine
}

// join returns the first error that is not a consequence of another.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, errGivenUp) {
			return err
		}
	}
	return nil
}

// errGivenUp ends a flow because another failed.
var errGivenUp = errors.New("another flow failed")

// tcp fills in what the kernel says of the flows.
func (r *run) tcp(sockets []*socket.Socket) {
	var t TCP
	for _, s := range sockets {
		if !t.Add(s) {
			return
		}
	}
	r.result.TCP = &t
}
