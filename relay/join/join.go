package join

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/internal/pass"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// Join passes what each of two ends sends on to the other, by the rules of the
// package comment, until both have finished, one fails, or ctx or a time of o
// ends it. It then closes both: they are Join's from the call on, even if it
// refuses them. Nobody else may read from them meanwhile, or use the read
// deadlines; others may write, as SendUrgent does.
//
// The error is nil where both ends finished, as far as their kinds can;
// [ErrIdle] or [ErrLifetime] where a time of o cut the join short, and ctx's cause
// where ctx did; an *EndError where an end failed; and *NeedsFormatError, or
// another refusal, where nothing was begun.
func Join(ctx context.Context, a, b End, o Options) (outcome.Result, error) {
	result, err := Prepare(a, b, o)(ctx)
	return *result, err
}

// Prepare returns what does as Join does, once. It takes less of the stack of a waiting goroutine in
// it, which is most of what a pair costs that is idle.
func Prepare(a, b End, o Options) func(context.Context) (*outcome.Result, error) {
	return (&join{ends: [2]End{a, b}, opts: o}).run
}

// Echo is Join of an end with itself: what it sends comes back, by the same rules.
// What passed is From[A] of the Result.
func Echo(ctx context.Context, e End, o Options) (outcome.Result, error) {
	result, err := (&join{ends: [2]End{e, e}, opts: o, echo: true}).run(ctx)
	return *result, err
}

func (j *join) run(ctx context.Context) (*outcome.Result, error) {
	stop, err := j.begin(ctx)
	if err != nil {
		return &j.result, err
	}
	j.flows[outcome.A].run()
	return j.end(stop)
}

// begin starts all but the flow from the first end.
func (j *join) begin(ctx context.Context) (stop func() bool, err error) {
	o := &j.opts
	j.start, j.ended = time.Now(), make(chan struct{})
	j.done[outcome.B] = j.echo || o.OneWay && !o.Drop
	if o.OneWay {
		o.Confirm = true
		j.ends[outcome.A].KeepOpen = true
		j.dropping[outcome.A].Store(true)
	}
	j.result.How = outcome.Failed // unless it begins
	err = o.check()
	if err == nil {
		err = check(&j.ends)
	}
	if err == nil {
		err = checkFiles(&j.ends, o.Files)
	}
	if err == nil {
		err = j.prepare()
	}
	if err == nil && ctx.Err() != nil {
		j.result.How, err = outcome.Cancelled, context.Cause(ctx)
	}
	if err != nil {
		for side := range j.flows {
			j.flows[side].release()
		}
		j.close(true)
		return nil, err
	}

	j.pace.Store(&j.opts.Pace)
	j.filter(ctx)
	stop = context.AfterFunc(ctx, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.finishLocked(outcome.Cancelled, 0, context.Cause(ctx), !o.CancelInOrder)
	})
	j.clock.run(j)
	for side := range j.flows {
		if w := j.flows[side].beside; w != nil {
			j.others.Go(w.run)
		}
	}
	if !j.echo && (!o.OneWay || o.Drop) {
		j.others.Go(j.flows[outcome.B].run)
	}
	return stop, nil
}

// end waits for the others, and tells how it ended.
func (j *join) end(stop func() bool) (*outcome.Result, error) {
	defer stop()
	defer j.clock.stop()
	j.others.Wait()
	if j.opts.Confirm {
		<-j.ended
	}

	j.mu.Lock() // until finish, which ended the flows, has closed both ends
	defer j.mu.Unlock()
	for side := range j.flows {
		j.result.From[side] = j.flows[side].passed
	}
	j.result.Duration = time.Since(j.start)
	return &j.result, j.err
}

// A join is two ends while they are joined.
type join struct {
	ends  [2]End
	opts  Options
	echo  bool // both ends are one, with a single flow
	start time.Time
	flows [2]flow
	clock clock

	others sync.WaitGroup // the goroutines besides that of the flow from the first end
	over   atomic.Bool    // nothing passes any more
	ended  chan struct{}  // closed when over is set

	pace     atomic.Pointer[Pace] // that holds
	unfilter context.CancelFunc   // tells filters so; nil where there are none

	mu       sync.Mutex
	result   outcome.Result
	err      error
	done     [2]bool  // the flow from an end is over
	broken   [2]error // why an end takes no more
	whole    [2]bool  // an end has finished in order
	told     [2]bool  // of a flow that is done: the other end knows
	shut     [2]bool  // an end is shut down for writing, or is about to be
	untold   bool     // an end-of-file could not be told, and IdleAfterEOF holds
	confirms bool     // confirm ends it
	drains   bool     // an end is over in both directions: what still comes for it is dropped
	closing  error    // why a filter ends it in order, if closes

	closes   atomic.Bool    // a filter ends it: both ends are told, and nothing passes any more
	dropping [2]atomic.Bool // what comes for an end is read and dropped
}

func (j *join) prepare() error {
	for side := range j.flows {
		if j.done[side] {
			continue
		}
		if err := j.flows[side].init(j, outcome.Side(side)); err != nil {
			return err
		}
	}
	return nil
}

// finish cuts the join short: it resets both ends, which ends every call on
// them. How it ended is what the first caller says.
func (j *join) finish(how outcome.EndReason, side outcome.Side, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.finishLocked(how, side, err, true)
}

// finishLocked ends the join, once. The caller holds mu, and says whether the
// ends are reset or closed in order.
func (j *join) finishLocked(how outcome.EndReason, side outcome.Side, err error, abort bool) {
	if j.over.Load() {
		return
	}
	j.over.Store(true)
	close(j.ended)
	if j.unfilter != nil {
		j.unfilter()
	}
	j.result.How, j.result.Side = how, side
	if how == outcome.Reset || how == outcome.Failed {
		err = &outcome.EndError{Side: side, Err: err}
	}
	j.err = err
	j.close(abort)
}

// close resets both ends, by the code of what reset one if it has any, or closes them in order. One that was told of an
// end-of-file is closed: that direction was whole, and its tail may be on its way.
func (j *join) close(abort bool) {
	for side, e := range &j.ends {
		switch {
		case e.Socket == nil:
		case abort && !j.told[outcome.Side(side).Other()]:
			e.Socket.AbortLike(j.err)
		default:
			e.Socket.Close()
		}
	}
}

// failed ends the join for an error of one end.
func (j *join) failed(side outcome.Side, err error) {
	if j.closes.Load() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if !errors.Is(err, syscall.EPIPE) { // of a write that its half-close met
			j.endsLocked()
		}
		return
	}
	if pass.IsReset(err) {
		j.finish(outcome.Reset, side, err)
		return
	}
	j.finish(outcome.Failed, side, err)
}

// breaks notes that a connected end takes no more, and reports whether the flow
// to it goes on. What the end still sends passes. Where that is the rest of what
// was cut short, the join is over after it; else what a peer still sends for the end
// is dropped, so that nothing overtakes an answer on its way to the peer.
func (j *join) breaks(side outcome.Side, err error) (goesOn bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closes.Load() {
		return true
	}
	if j.broken[side] == nil {
		j.broken[side] = err
	}
	if j.cut(side) || !j.ends[side.Other()].connected() {
		if j.done[side.Other()] = true; j.done[side] {
			j.endsLocked()
		}
		return false
	}
	j.dropping[side].Store(true)
	if j.done[side] {
		j.endsWith(side)
	}
	return true
}

// cut reports whether what an end sends is cut short by what broke it, by the rules
// of its kind. EPIPE is not a reset by itself: the end has finished, or could still
// say all. The caller holds mu.
func (j *join) cut(side outcome.Side) bool {
	return j.ends[side].resets() && !j.drains && j.broken[side] != nil && !errors.Is(j.broken[side], syscall.EPIPE)
}

// flowDone notes that the flow from an end is over in order, and ends the join
// with the second. Where the end is over in both directions, its flow is the last.
func (j *join) flowDone(from outcome.Side, told bool) {
	near, far := &j.ends[from], &j.ends[from.Other()]
	over := near.closesWhole()
	if !near.resets() && (!told || far.connected()) {
		over = over || near.over() // and else who feeds it learns so by writing
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done[from], j.told[from] = true, told
	switch {
	case j.done[from.Other()]:
		j.endsLocked()
	case over || j.broken[from] != nil:
		j.endsWith(from)
	}
}

// gone notes that an end that had finished takes no more either.
func (j *join) gone(side outcome.Side) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.shut[side] || j.over.Load():
	case !j.ends[side].resets():
		j.endsWith(side)
	case !j.ends[side.Other()].resets():
		j.finishLocked(outcome.Reset, side, j.ends[side].wasCut(), true)
	default: // the tail of what it sent may be on its way to the other
		if j.broken[side] == nil {
			j.broken[side] = j.ends[side].wasCut()
		}
		j.dropping[side].Store(true)
		j.endsWith(side)
	}
}

// endsWith ends the join with an end whose flow is done and that takes no more: at
// once, or when the other end has finished too. The caller holds mu.
func (j *join) endsWith(side outcome.Side) {
	if far := &j.ends[side.Other()]; j.told[side] && far.connected() {
		j.drain()
	} else {
		j.endsLocked()
	}
}

// drain makes the join end soon. Until the far end has finished too, what it
// sends is read: a connection that is closed with input unread is reset, which may
// overtake what was sent on it. The caller holds mu.
func (j *join) drain() {
	if !j.drains {
		j.drains = true
		j.clock.drain()
	}
}

// endsLocked ends the join when nothing more can pass. The caller holds mu.
func (j *join) endsLocked() {
	if j.closing != nil {
		j.finishLocked(outcome.Cancelled, 0, j.closing, false)
		return
	}
	for side, err := range j.broken {
		if err != nil {
			// What is whole may be on its way to an end that could not be told.
			j.finishLocked(outcome.Reset, outcome.Side(side), err, j.cut(outcome.Side(side)) || !j.whole[side])
			return
		}
	}
	if j.opts.Confirm && !j.over.Load() {
		if !j.confirms {
			j.confirms = true
			go j.confirm()
		}
		return
	}
	j.finishLocked(outcome.Finished, 0, nil, false)
}

// confirm ends the join in order, unless an end that takes no more has not got all.
func (j *join) confirm() {
	for side := range j.ends {
		if err := j.ends[side].confirm(); err != nil {
			j.failed(outcome.Side(side), err)
			return
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.finishLocked(outcome.Finished, 0, nil, false)
}

// silent ends the join since nothing has passed for the limit that holds, or a
// lifetime is over. It reports false where the time begins anew: an end that cannot be
// told of an end-of-file is still being sent what came before it.
func (j *join) silent(how outcome.EndReason) (ends bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.drains:
		j.endsLocked()
	case how == outcome.Lifetime:
		j.finishLocked(how, 0, ErrLifetime, true)
	case j.untold && !(j.ends[outcome.A].acknowledged() && j.ends[outcome.B].acknowledged()):
		return false
	case j.untold && !j.sooner(), j.ends[outcome.A].silence(), j.ends[outcome.B].silence():
		j.finishLocked(how, 0, nil, false)
	default:
		j.finishLocked(how, 0, ErrIdle, true)
	}
	return true
}

// sooner reports whether Idle ends the join before silence could be taken for the
// end of what cannot be told of an end-of-file.
func (j *join) sooner() bool { return j.opts.Idle > 0 && j.opts.Idle < j.opts.IdleAfterEOF }

// endOfFile passes the end-of-file of an end on to the other, and reports
// whether it was one in order, and whether the other could be told.
func (j *join) endOfFile(from outcome.Side) (passed, told bool) {
	far := &j.ends[from.Other()]
	j.mu.Lock()
	if j.closes.Load() {
		j.mu.Unlock()
		return true, true
	}
	err, ended := j.broken[from], j.over.Load()
	if !ended && j.cut(from) {
		j.finishLocked(outcome.Reset, from, err, true)
		ended = true
	}
	closable := far.halfClosable() && !far.KeepOpen
	j.shut[from.Other()] = closable
	j.whole[from] = !ended
	j.mu.Unlock()
	if ended {
		return false, false
	}
	// It may have to wait, and then finish ends it.
	told = closable && far.Socket.Shutdown(socket.ShutdownWrite) == nil
	if !told && !far.KeepOpen {
		j.mu.Lock()
		j.untold = true
		j.mu.Unlock()
		j.clock.afterEOF()
	}
	return true, told
}
