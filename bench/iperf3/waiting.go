package iperf3

import (
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
	state State
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

// idleness watches a test that octets or blocks end: one that does not move
// has no end.
type idleness struct {
	run   *run
	timer *time.Ticker
	ticks <-chan time.Time
	last  int64
	since time.Time
}

func newIdleness(r *run) *idleness {
	i := &idleness{run: r, since: time.Now()}
	if r.test.counted() {
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
		now += f.octets.Load()
	}
	if now != i.last {
		i.last, i.since = now, time.Now()
	}
	return time.Since(i.since) >= mostIdle
}

// A sampler makes the intervals of a run.
type sampler struct {
	run     *run
	timer   *time.Ticker
	ticks   <-chan time.Time
	start   time.Time
	octets  int64
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
	octets, packets := s.run.total()
	zero := s.run.begun
	if omitted {
		zero = zero.Add(s.run.test.Omit)
	}
	i := bench.Interval{Start: s.start.Sub(zero), End: now.Sub(zero), WarmUp: omitted}
	i.Traffic = bench.Traffic{Octets: octets - s.octets, Messages: packets - s.packets, Elapsed: now.Sub(s.start)}
	s.start, s.octets, s.packets = now, octets, packets
	return i
}

// rebase begins anew where the run did.
func (s *sampler) rebase() {
	s.start, s.octets, s.packets = s.run.begun, 0, 0
	if s.timer != nil {
		s.timer.Reset(s.run.test.Interval)
	}
}
