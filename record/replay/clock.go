package replay

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// A clock wakes what waits for its time. All wait on one timer of the system, which is
// finer than the runtime's.
type clock struct {
	mu     sync.Mutex
	queue  alarms
	timer  alarmTimer
	closed bool
	over   sync.WaitGroup
}

// An alarm wakes one goroutine.
type alarm struct {
	when time.Time
	rang chan struct{} // holds one
	at   int           // in the queue; -1 where it is not
}

func newAlarm() *alarm { return &alarm{rang: make(chan struct{}, 1), at: -1} }

func newClock() *clock {
	c := new(clock)
	c.timer = newAlarmTimer()
	c.over.Go(c.run)
	return c
}

// close ends the clock, on which nobody waits any more.
func (c *clock) close() {
	c.mu.Lock()
	c.closed = true
	c.timer.set(0)
	c.mu.Unlock()
	c.over.Wait()
}

// sleep waits until a time, or the end of ctx.
func (c *clock) sleep(ctx context.Context, a *alarm, until time.Time) error {
	if err := ctx.Err(); err != nil || !time.Now().Before(until) {
		return err
	}
	c.mu.Lock()
	select {
	case <-a.rang: // of an earlier sleep that ctx ended
	default:
	}
	a.when = until
	heap.Push(&c.queue, a)
	if a.at == 0 {
		c.timer.set(time.Until(until))
	}
	c.mu.Unlock()
	select {
	case <-a.rang:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		if a.at >= 0 {
			heap.Remove(&c.queue, a.at)
		}
		c.mu.Unlock()
		return ctx.Err()
	}
}

// run is the goroutine of the clock.
func (c *clock) run() {
	defer c.timer.close()
	for {
		c.timer.wait()
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return
		}
		now := time.Now()
		for len(c.queue) > 0 && !now.Before(c.queue[0].when) {
			a := heap.Pop(&c.queue).(*alarm)
			a.rang <- struct{}{}
		}
		if len(c.queue) > 0 {
			c.timer.set(time.Until(c.queue[0].when))
		}
		c.mu.Unlock()
	}
}

// alarms are a heap, with the first alarm first.
type alarms []*alarm

func (q alarms) Len() int           { return len(q) }
func (q alarms) Less(i, j int) bool { return q[i].when.Before(q[j].when) }

func (q alarms) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *alarms) Push(x any) {
	a := x.(*alarm)
	a.at = len(*q)
	*q = append(*q, a)
}

func (q *alarms) Pop() any {
	last := len(*q) - 1
	a := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	a.at = -1
	return a
}

// runtimeTimer is the runtime's, for systems without a finer one, and where none is to be
// had for want of descriptors.
type runtimeTimer struct{ *time.Timer }

func newRuntimeTimer() runtimeTimer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return runtimeTimer{t}
}

func (t runtimeTimer) set(d time.Duration) { t.Reset(d) }
func (t runtimeTimer) wait()               { <-t.C }
func (t runtimeTimer) close()              { t.Stop() }

// An alarmTimer is what a clock waits on. set may be called while another goroutine is in
// wait.
type alarmTimer interface {
	set(d time.Duration)
	wait()
	close()
}
