package loop

import (
	"slices"
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

// allowed returns how many octets the next read may take. At 0 the flow waits,
// and is told when it may go on.
func (s *side) allowed() int {
	w := s.conn.w
	g, most := w.group, PipeSize
	if g.Rate > 0 {
		if s.until > w.Now() {
			s.set(throttled)
			s.conn.schedule()
			return 0
		}
		most = rateRead(g.Rate)
	}
	if g.TotalRate > 0 {
		if !w.line.admits(s) {
			return 0
		}
		most = min(most, rateRead(g.TotalRate))
	}
	return most
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

// A line is where the flows of a worker wait for the total rate: each reads
// once in its turn, and goes to the end. Without it those that happen to be
// told first would always be.
type line struct {
	w     *worker
	sides []*side
	timer Timer
	turn  *side // whose turn it is
}

// admits reports whether a side may read now. If not, it waits in the line.
func (l *line) admits(s *side) bool {
	owed := l.w.group.total.owed()
	if owed <= 0 && (l.turn == s || len(l.sides) == 0) {
		l.turn = nil
		return true
	}
	s.set(inLine)
	l.sides = append(l.sides, s)
	if !l.timer.Armed() {
		l.w.Arm(&l.timer, owed, l)
	}
	return false
}

// leave takes a side out that waits no more.
func (l *line) leave(s *side) {
	s.unset(inLine)
	i := slices.Index(l.sides, s)
	l.sides = slices.Delete(l.sides, i, i+1)
}

// Expired implements Expirer.
func (l *line) Expired(*Timer) {
	for range min(len(l.sides), maxRounds) {
		if len(l.sides) == 0 || l.w.group.total.owed() > 0 {
			break
		}
		s := l.sides[0]
		l.leave(s)
		l.turn = s
		s.pump()
		l.turn = nil
	}
	if len(l.sides) > 0 {
		l.w.Arm(&l.timer, l.w.group.total.owed(), l)
	}
}
