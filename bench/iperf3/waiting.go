package iperf3

import (
	"slices"
	"time"

	"zocalo/bench"
)

// An ear hears the next state that the other side tells, while its owner waits
// for other things too.
type ear struct {
	control *control
	heard   chan told
	done    chan struct{}
}

type told struct {
	state state
	err   error
}

func (c *control) listen() *ear {
	e := &ear{control: c, heard: make(chan told, 1), done: make(chan struct{})}
	heard := e.heard
	go func() {
		defer close(e.done)
		s, err := c.state()
		heard <- told{s, err}
	}()
	return e
}

// stop ends the listening, if nothing was heard.
func (e *ear) stop() {
	select {
	case <-e.done:
		return
	default:
	}
	e.control.s.SetReadDeadline(time.Unix(1, 0))
	<-e.done
	e.control.s.SetReadDeadline(time.Time{})
}

// mostIdle is how long nothing may move in a test that no time ends.
const mostIdle = 30 * time.Second

// A test whose datagrams all come from the peer is over when none has come for so
// long, and for that of some that were due: the last ones were lost.
const (
	leastQuiet = 2 * time.Second
	quietTurns = 8
)

// idleness watches a test that no time ends: one that does not move has no
// end.
type idleness struct {
	run   *run
	timer *time.Ticker
	ticks <-chan time.Time
	last  int64
	since time.Time
}

func newIdleness(r *run) *idleness {
	i := &idleness{run: r, since: time.Now()}
	if r.test.counted() || r.test.Endless {
		i.timer = time.NewTicker(time.Second)
		i.ticks = i.timer.C
	}
	return i
}

func (i *idleness) stop() {
	if i.timer != nil {
		i.timer.Stop()
	}
}

func (i *idleness) tooLong() bool {
	var now int64
	for _, f := range i.run.flows {
		now += f.bytes.Load()
	}
	if now != i.last {
		i.last, i.since = now, time.Now()
	}
	return time.Since(i.since) >= i.limit()
}

func (i *idleness) limit() time.Duration {
	if !i.over() {
		return mostIdle
	}
	t, turn := i.run.test, time.Duration(0)
	if t.Rate > 0 {
		turn = time.Duration(float64(max(t.Burst, 1)*t.Size*8) / float64(t.Rate) * float64(time.Second))
	}
	return min(max(leastQuiet, quietTurns*turn), mostIdle)
}

// over reports whether silence ends the test, and does not break it.
func (i *idleness) over() bool {
	sends := func(f *flow) bool { return f.sends }
	return i.run.test.UDP && i.run.test.counted() && i.last > 0 && !slices.ContainsFunc(i.run.flows, sends)
}

// A sampler makes the intervals of a run.
type sampler struct {
	run     *run
	timer   *time.Ticker
	ticks   <-chan time.Time
	start   time.Time
	bytes   int64
	packets int64
}

func newSampler(r *run, every time.Duration) *sampler {
	s := &sampler{run: r, start: r.begun}
	if every > 0 {
		s.timer = time.NewTicker(every)
		s.ticks = s.timer.C
	}
	return s
}

func (s *sampler) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// sample returns the interval since the one before. While time is omitted, it
// counts backwards from the measured time.
func (s *sampler) sample(omitted bool) bench.Interval {
	now := time.Now()
	bytes, packets := s.run.total()
	zero := s.run.begun
	if omitted {
		zero = zero.Add(s.run.test.Omit)
	}
	i := bench.Interval{Start: s.start.Sub(zero), End: now.Sub(zero), WarmUp: omitted}
	i.Traffic = bench.Traffic{Bytes: bytes - s.bytes, Messages: packets - s.packets, Elapsed: now.Sub(s.start)}
	s.start, s.bytes, s.packets = now, bytes, packets
	return i
}

// rebase begins anew where the run did.
func (s *sampler) rebase() {
	s.start, s.bytes, s.packets = s.run.begun, 0, 0
	if s.timer != nil {
		s.timer.Reset(s.run.test.Interval)
	}
}
