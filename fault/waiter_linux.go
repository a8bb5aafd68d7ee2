package fault

import (
	"container/heap"
	"os"
	"runtime"
	"sync"
	"time"

	"zocalo/internal/sys"
)

// alarms wake all that wait precisely, by one descriptor of timerfd_create(2) and one goroutine, which are
// there as long as those who have waited.
var alarms struct {
	mu    sync.Mutex
	users int
	queue alarmQueue
	file  *os.File // nil without the goroutine
	fd    int
	rings time.Time // when the descriptor does

	// lead is by how much it rings early for long waits: what it mostly takes until the goroutine runs, which
	// waits for the rest without sleeping.
	lead time.Duration
}

const (
	mostLead = 150 * time.Microsecond
	leadStep = 2 * time.Microsecond
	short    = 500 * time.Microsecond // without a lead: a high rate would never sleep
)

// A precise waiter is one of those.
type precise struct {
	wake  chan struct{}
	at    time.Time
	rings time.Time // not after at
	long  bool      // it waits for long, and has a lead
	place int       // in the queue, from 1; 0 is not there
	uses  bool
	over  bool
	plain goWaiter
}

func newPrecise(wake chan struct{}) waiter { return &precise{wake: wake, plain: goWaiter{wake: wake}} }

// warm is how long before its time a waiter is woken a first time: a processor that has slept for long
// takes its time to wake up.
const warm = time.Millisecond

func (p *precise) wait(d time.Duration) {
	if d > 2*warm {
		d -= warm
	}
	if !p.set(d) {
		p.plain.wait(d)
		return
	}
	<-p.wake
}

// set has the waiter woken in d, if no earlier.
func (p *precise) set(d time.Duration) bool {
	a := &alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.over || a.file == nil && !startAlarms() {
		return false
	}
	if !p.uses {
		p.uses = true
		a.users++
	}
	p.at = time.Now().Add(d)
	if p.rings, p.long = p.at, d >= short; p.long {
		p.rings = p.at.Add(-a.lead)
	}
	if p.place == 0 {
		heap.Push(&a.queue, p)
	} else {
		heap.Fix(&a.queue, p.place-1)
	}
	if first := a.queue[0].rings; a.rings.IsZero() || first.Before(a.rings) {
		setAlarm(first)
	}
	return true
}

// setAlarm has the descriptor ring at a time. The caller holds mu.
func setAlarm(at time.Time) {
	alarms.rings = at
	sys.SetTimer(alarms.fd, time.Until(at))
}

func (p *precise) rest() {
	a := &alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.place > 0 {
		heap.Remove(&a.queue, p.place-1)
	}
}

func (p *precise) close() {
	p.rest()
	a := &alarms
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.over = true; !p.uses {
		return
	}
	p.uses = false
	if a.users--; a.users == 0 {
		a.file.Close() // which ends the goroutine
		a.file = nil
	}
}

// startAlarms starts the goroutine. The caller holds mu.
func startAlarms() bool {
	fd, errno := sys.NewTimer()
	if errno != 0 {
		return false
	}
	a := &alarms
	a.fd, a.file, a.rings = fd, os.NewFile(uintptr(fd), "timer"), time.Time{}
	go ringAlarms(a.file)
	return true
}

func ringAlarms(file *os.File) {
	a, ticks := &alarms, make([]byte, 8)
	for {
		if _, err := file.Read(ticks); err != nil {
			return
		}
		a.mu.Lock()
		if a.file != file {
			a.mu.Unlock()
			return
		}
		now := time.Now()
		if len(a.queue) > 0 {
			switch p := a.queue[0]; {
			case !p.long || p.rings.After(now):
			case now.After(p.at): // as the next may be
				a.lead = min(a.lead+leadStep, mostLead)
			default:
				a.lead = max(a.lead-leadStep, 0)
			}
		}
		a.rings = time.Time{}
		for len(a.queue) > 0 {
			p := a.queue[0]
			if p.rings.After(now) {
				setAlarm(p.rings)
				break
			} else if p.at.After(now) {
				a.mu.Unlock()
				for at := p.at; time.Now().Before(at); {
					runtime.Gosched()
				}
				a.mu.Lock()
				if now = time.Now(); a.file != file {
					break
				}
				continue // the first may be another by now
			}
			heap.Pop(&a.queue)
			select {
			case p.wake <- struct{}{}:
			default:
			}
		}
		a.mu.Unlock()
	}
}

// An alarmQueue is a heap by time.
type alarmQueue []*precise

func (q alarmQueue) Len() int           { return len(q) }
func (q alarmQueue) Less(i, j int) bool { return q[i].rings.Before(q[j].rings) }

func (q alarmQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i+1, j+1
}

// Push and Pop are for package heap.
func (q *alarmQueue) Push(x any) {
	p := x.(*precise)
	*q = append(*q, p)
	p.place = len(*q)
}

func (q *alarmQueue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	p.place = 0
	return p
}
