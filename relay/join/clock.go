package join

import (
	"sync"
	"sync/atomic"
	"time"

	"zocalo/internal/pass"
	"zocalo/relay/outcome"
)

// A clock ends a join after a time without traffic, or after its lifetime.
type clock struct {
	j       *join
	counts  atomic.Bool  // somebody asks when something passed
	passed  atomic.Int64 // when that was, in nanoseconds since the start
	held    atomic.Int32 // flows that Pace makes wait
	stopped bool

	mu       sync.Mutex
	limit    time.Duration // without traffic; 0 is none
	idle     *time.Timer
	lifetime *time.Timer
}

func (c *clock) run(j *join) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.j = j
	c.counts.Store(j.opts.Idle > 0 || j.opts.IdleAfterEOF > 0)
	if d := j.opts.Lifetime; d > 0 {
		c.lifetime = time.AfterFunc(d, func() { j.silent(outcome.Lifetime) })
	}
	if j.opts.Idle > 0 {
		c.start(j.opts.Idle)
	}
	if so := j.opts.Progress; so != nil {
		so.join.Store(j)
	}
}

// setLimits changes the times while the join goes on.
func (j *join) setLimits(idle, lifetime time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := &j.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || j.drains || j.opts.Idle == idle && j.opts.Lifetime == lifetime {
		return
	}
	j.opts.Idle, j.opts.Lifetime = idle, lifetime
	if c.lifetime != nil {
		c.lifetime.Stop()
		c.lifetime = nil
	}
	if lifetime > 0 {
		c.lifetime = time.AfterFunc(lifetime-time.Since(j.start), func() { j.silent(outcome.Lifetime) })
	}
	if c.idle != nil {
		c.idle.Stop()
	}
	limit := max(idle, 0)
	if d := j.opts.IdleAfterEOF; j.untold && d > 0 && (limit == 0 || d < limit) {
		limit = d
	}
	if c.counts.Store(true); limit > 0 {
		c.start(limit)
	} else {
		c.limit = 0
	}
}

// start makes the limit hold. The caller holds mu.
func (c *clock) start(limit time.Duration) {
	c.limit = limit
	c.touch()
	if c.idle == nil {
		c.idle = time.AfterFunc(limit, c.look)
	} else {
		c.idle.Reset(limit)
	}
}

// touch notes that something passed.
func (c *clock) touch() {
	if c.counts.Load() {
		c.passed.Store(int64(time.Since(c.j.start)))
	}
}

// hold and unhold are around a wait that is no idleness.
func (c *clock) hold() { c.held.Add(1) }

func (c *clock) unhold() {
	c.touch()
	c.held.Add(-1)
}

// afterEOF makes the limit after end-of-file hold, if it is the shorter.
func (c *clock) afterEOF() {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.j.opts.IdleAfterEOF
	if d > 0 && !c.stopped && (c.limit == 0 || d < c.limit) {
		c.start(d)
	}
}

// drain makes the times of lingering hold.
func (c *clock) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	c.counts.Store(true)
	if c.limit == 0 || pass.LingerSilence < c.limit {
		c.start(pass.LingerSilence)
	}
	if c.lifetime == nil {
		c.lifetime = time.AfterFunc(pass.LingerTime, func() { c.j.silent(outcome.Lifetime) })
	} else if d := c.j.opts.Lifetime; d <= 0 || d > pass.LingerTime {
		c.lifetime.Reset(pass.LingerTime)
	}
}

// look ends the join if nothing passed for the limit, else looks again when
// that could be.
func (c *clock) look() {
	c.mu.Lock()
	if c.stopped || c.limit == 0 {
		c.mu.Unlock()
		return
	}
	if c.held.Load() > 0 {
		c.touch()
	}
	left := c.limit - (time.Since(c.j.start) - time.Duration(c.passed.Load()))
	if left > 0 {
		c.idle.Reset(left)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	if c.j.silent(outcome.Idle) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		c.start(c.limit)
	}
}

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	for _, t := range []*time.Timer{c.idle, c.lifetime} {
		if t != nil {
			t.Stop()
		}
	}
}
