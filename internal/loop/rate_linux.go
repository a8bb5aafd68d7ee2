package loop

import (
	"sync/atomic"
	"time"
)

// A flow with a rate reads what is paid for: each read is paid with time, and
// until that has passed there is no other. Reads are small enough for the pause
// to be short.
const ratePause = 50 * time.Millisecond

// rateRead is the most octets of one read at a rate.
func rateRead(rate int64) int {
	return int(min(max(rate*int64(ratePause)/int64(time.Second), 1), PipeSize))
}

func rateTime(n int, rate int64) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// allowed returns how many octets the next read may take. At 0 the flow waits
// for the time that it is told by then.
func (s *side) allowed() int {
	g := s.conn.w.group
	if g.Rate <= 0 && g.TotalRate <= 0 {
		return PipeSize
	}
	most, now, until := PipeSize, s.conn.w.Now(), time.Duration(0)
	if g.Rate > 0 {
		most, until = rateRead(g.Rate), s.until
	}
	if g.TotalRate > 0 {
		most = min(most, rateRead(g.TotalRate))
		until = max(until, now+g.total.owed())
	}
	if until <= now {
		return most
	}
	s.until = until
	s.set(throttled)
	s.conn.schedule()
	return 0
}

// spend pays for octets that were read.
func (s *side) spend(n int) {
	g := s.conn.w.group
	if g.Rate > 0 {
		s.until = max(s.until, s.conn.w.Now()) + rateTime(n, g.Rate)
	}
	if g.TotalRate > 0 {
		g.total.spend(rateTime(n, g.TotalRate))
	}
}

// A meter is the time until which what several loops have read is paid for.
type meter struct {
	start time.Time
	until atomic.Int64 // since start
}

// owed returns how long it is until then.
func (m *meter) owed() time.Duration {
	return time.Duration(m.until.Load()) - time.Since(m.start)
}

func (m *meter) spend(d time.Duration) {
	for {
		old := m.until.Load()
		if m.until.CompareAndSwap(old, max(old, int64(time.Since(m.start)))+int64(d)) {
			return
		}
	}
}
