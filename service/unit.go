package service

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zocalo"
	"zocalo/internal/pass"
	"zocalo/internal/say"
	"zocalo/relay"
	"zocalo/socket"
)

// A job is one run of a service: a relay, an echo server or programs.
type job interface {
	// run serves until ctx ends and what was open then is over, without a bound
	// of time, or until it fails. It closes the listeners in every case.
	run(ctx context.Context, listeners []*zocalo.Listener) error
	// abort resets what is open, and ends run.
	abort()
	// change makes what was told hold from now on. It is errReplaced where only another
	// job can do that.
	change(to *told) error
	totals() relay.Totals
	pairs() []relay.Pair
}

// A unit is a service by its name, with all that runs of it.
type unit struct {
	set  *Set
	name string
	log  *slog.Logger

	observer atomic.Pointer[observer] // nil without

	mu    sync.Mutex
	runs  []*generation // the last one serves who comes
	count int           // of generations
	base  relay.Totals  // of what is over
	began time.Time
	pool  *pool // nil without
	next  int64 // where the numbers of the next job's pairs begin
}

// A generation is a service as it was told once, until it is told otherwise.
type generation struct {
	unit   *unit
	number int
	spec   *spec
	ctx    context.Context
	stop   context.CancelFunc
	done   chan struct{}
	before []*generation // which must be over first, where it is late

	// Of the unit's mu.
	told      *told
	listeners []*zocalo.Listener
	closed    chan struct{} // once none of them accepts any more
	job       job
	state     State
	why       string // of Failed
	since     time.Time
	timer     *time.Timer // of the time to drain
	aborted   bool
}

// A State is what becomes of a service.
type State string

// The states of a service.
const (
	Running  State = "running"
	Failed   State = "failed" // and tried again in a while
	Draining State = "draining"
	Over     State = "over" // it was for one peer
)

func (s *Set) newUnit(name string) *unit {
	return &unit{set: s, name: name, log: s.log.With("service", name), began: time.Now()}
}

// begin starts a generation. The caller holds the set's mu.
func (u *unit) begin(n *successor) {
	g := &generation{unit: u, spec: n.spec, told: n.told, listeners: n.listeners, done: make(chan struct{}), state: Running, since: time.Now()}
	g.ctx, g.stop = context.WithCancel(u.set.life)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count++; n.late {
		g.before = slices.Clone(u.runs)
	}
	g.number = u.count
	u.runs = append(u.runs, g)
	u.set.work.Go(g.serve)
}

// runNumbers is how many numbers of pairs are left free for those that a run has after the next one
// has begun.
const runNumbers = 1_000_000

// offset is where the numbers of pairs of the next job begin: no two pairs of a service have
// the same.
func (u *unit) offset() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.next
	for _, j := range u.jobs() {
		t := j.totals()
		at = max(at, u.next+(t.Ended+int64(t.Open))/runNumbers*runNumbers)
	}
	if u.count > 1 || u.base.Ended > 0 {
		at += runNumbers
	}
	u.next = at
	return at
}

// current is the generation that serves who comes.
func (u *unit) current() *generation {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.runs[len(u.runs)-1]
}

// retryPause is before a service that has failed is tried again.
var retryPause = pass.Backoff{First: time.Second, Last: 30 * time.Second}

// steady is how long a service must have run for its next failure to count as the first.
const steady = time.Minute

// serve runs one job after the other: the next one where one failed, or was for one pair.
func (g *generation) serve() {
	defer close(g.done)
	defer g.leave()
	for _, before := range g.before {
		<-before.done
	}
	pause := retryPause.First
	for {
		began := time.Now()
		err := g.once()
		if g.ctx.Err() != nil {
			return
		}
		if time.Since(began) > steady {
			pause = retryPause.First
		}
		if g.isOnce() {
			g.become(Over, err)
			if err != nil {
				complain(g.unit.log, "the service has ended", err)
			}
			<-g.ctx.Done()
			return
		}
		if err != nil {
			complain(g.unit.log, "the service failed and will be retried", err, "pause", pause)
			g.become(Failed, err)
		}
		select {
		case <-time.After(pause):
		case <-g.ctx.Done():
			return
		}
		pause = retryPause.After(pause)
	}
}

// isOnce reports whether the service is over after one pair.
func (g *generation) isOnce() bool {
	g.unit.mu.Lock()
	defer g.unit.mu.Unlock()
	if r := g.told.relay; r != nil {
		once, _ := r.From.IsOnce()
		return once || r.From.Scheme.Inherited != nil && !r.From.Passive(false)
	}
	return g.told.echo != nil && g.told.echo.Once
}

// once runs one job, with the listeners that are there, or others.
func (g *generation) once() error {
	u := g.unit
	u.mu.Lock()
	told, listeners := g.told, g.listeners
	u.mu.Unlock()
	if told == nil || listeners == nil {
		n, err := u.set.open(g.ctx, g.spec, newStock(nil))
		if err != nil {
			return err
		}
		told, listeners = n.told, n.listeners
	}
	j := u.newJob(told)
	u.mu.Lock()
	g.told, g.listeners, g.job, g.closed = told, listeners, j, allClosed(listeners)
	aborted := g.aborted
	if g.state == Failed {
		g.state, g.since, g.why = Running, time.Now(), ""
	}
	var idle *pool // of a run before that balanced: its pairs may still know it
	if (told.relay == nil || !told.balance.balances()) && g == u.runs[len(u.runs)-1] {
		idle, u.pool = u.pool, nil
	}
	u.mu.Unlock()
	idle.end()
	if aborted {
		j.abort()
	}
	err := j.run(g.ctx, listeners)
	u.mu.Lock()
	defer u.mu.Unlock()
	add(&u.base, j.totals())
	g.job, g.listeners = nil, nil
	return err
}

// allClosed returns a channel that is closed once all of the listeners are.
func allClosed(listeners []*zocalo.Listener) chan struct{} {
	closed := make(chan struct{})
	var left sync.WaitGroup
	for _, l := range listeners {
		for _, s := range l.Sockets() {
			left.Add(1)
			s.OnClose(left.Done)
		}
	}
	go func() {
		left.Wait()
		close(closed)
	}()
	return closed
}

// closing is how long a service may take to stop accepting, where its programs do so by themselves.
const closing = 250 * time.Millisecond

// awaitClosed waits until a generation that is retired accepts nothing any more.
func (g *generation) awaitClosed() {
	g.unit.mu.Lock()
	closed := g.closed
	g.unit.mu.Unlock()
	if closed == nil {
		return
	}
	select {
	case <-closed:
	case <-g.done:
	case <-time.After(closing):
	}
}

// become notes what the generation is now.
func (g *generation) become(state State, err error) {
	u := g.unit
	u.mu.Lock()
	defer u.mu.Unlock()
	g.state, g.since, g.why = state, time.Now(), ""
	if err != nil {
		g.why = say.Error(err)
	}
}

// leave takes a generation that is over out of its unit, unless it is the last one.
func (g *generation) leave() {
	u := g.unit
	u.mu.Lock()
	last := len(u.runs) == 1
	if !last {
		u.runs = slices.DeleteFunc(u.runs, func(other *generation) bool { return other == g })
	}
	if g.timer != nil {
		g.timer.Stop()
	}
	u.mu.Unlock()
	if last {
		u.endPool()
		u.set.left(u)
	}
}

// left forgets a service that was removed, once it is over.
func (s *Set) left(u *unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = slices.DeleteFunc(s.leaving, func(other *unit) bool { return other == u })
	if !s.over {
		s.forget()
	}
	s.publish()
}

// retire has a generation take nobody in any more, and gives it so long to finish: negative
// is as long as it takes.
func (g *generation) retire(limit time.Duration) {
	u := g.unit
	u.mu.Lock()
	if g.state == Running || g.state == Failed {
		g.state, g.since = Draining, time.Now()
	}
	if limit >= 0 && g.timer == nil {
		g.timer = time.AfterFunc(limit, g.abort)
	}
	u.mu.Unlock()
	g.stop()
}

// abort resets what is open.
func (g *generation) abort() {
	u := g.unit
	u.mu.Lock()
	j := g.job
	g.aborted = true
	u.mu.Unlock()
	if j != nil {
		j.abort()
	}
	g.stop()
}

// drain is how long the service gives what is open.
func (t *told) drain() time.Duration {
	switch {
	case t.serve != nil:
		return t.serve.Drain
	case t.echo != nil:
		return t.echo.Drain
	}
	return t.relay.Serving.Drain
}

// isDatagrams reports whether the service's listeners have sessions, which two generations
// cannot share.
func (g *generation) isDatagrams() bool {
	g.unit.mu.Lock()
	defer g.unit.mu.Unlock()
	return slices.ContainsFunc(g.listeners, func(l *zocalo.Listener) bool {
		t := l.Sockets()[0].Type()
		return t == socket.Datagram || t == socket.Raw
	})
}

// replace has a successor serve who comes from now on.
func (u *unit) replace(n *successor) (old *generation) {
	old = u.current()
	u.begin(n)
	switch {
	case n.late:
		old.retire(old.drain())
	case old.isDatagrams():
		old.abort()
	default:
		old.retire(-1)
	}
	return old
}

func (g *generation) drain() time.Duration {
	g.unit.mu.Lock()
	defer g.unit.mu.Unlock()
	return g.told.drain()
}

// end has all that runs of the service finish in the time that it gives.
func (u *unit) end() {
	for _, g := range u.generations() {
		g.retire(g.drain())
	}
}

func (u *unit) abort() {
	for _, g := range u.generations() {
		g.abort()
	}
}

func (u *unit) generations() []*generation {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.runs)
}

// add adds what one job has done to what others have.
func add(sum *relay.Totals, t relay.Totals) {
	sum.Open += t.Open
	sum.Ended += t.Ended
	sum.Reset += t.Reset
	sum.Failed += t.Failed
	sum.Refused += t.Refused
	sum.Dropped += t.Dropped
	for side := range t.From {
		sum.From[side].Bytes += t.From[side].Bytes
		sum.From[side].Messages += t.From[side].Messages
	}
}
