package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// A clock ends a join after a time without traffic, or after its lifetime.
type clock struct {
	j       *join
	counts  bool         // somebody asks when something passed
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
	c.counts = j.opts.Idle > 0 || j.opts.IdleAfterEOF > 0
	if d := j.opts.Lifetime; d > 0 {
		c.lifetime = time.AfterFunc(d, func() { j.finish(Lifetime, 0, nil) })
	}
	if j.opts.Idle > 0 {
		c.start(j.opts.Idle)
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
	if c.counts {
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

// look ends the join if nothing passed for the limit, else looks again when
// that could be.
func (c *clock) look() {
	c.mu.Lock()
	if c.stopped {
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
	c.j.finish(Idle, 0, nil)
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
