package streams

import (
	"slices"
	"sync"
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/poll"
)

// A flow with a rate reads what is paid for: each read is paid with time, and
// until that has passed there is no other. Reads are small enough for the pause
// to be short.

// rateRead is the most bytes of one read at a rate.
func rateRead(rate int64) int { return min(pass.Portion(rate), poll.PipeSize) }

// allowed returns how many bytes the next read may take. At 0 the flow waits,
// and is told when it may go on.
func (s *side) allowed() int {
	w := s.conn.w
	g, limits, most := w.group, w.group.limits.Load(), poll.PipeSize
	if s.is(dropped) {
		return most
	}
	if limits.Rate > 0 {
		if s.until > w.Now() {
			s.set(throttled)
			s.conn.schedule()
			return 0
		}
		most = rateRead(limits.Rate)
	}
	if limits.TotalRate > 0 {
		if !g.total.admits(s) {
			return 0
		}
		most = min(most, rateRead(limits.TotalRate))
	}
	return most
}

// spend pays for bytes that were read.
func (s *side) spend(n int) {
	g := s.conn.w.group
	limits := g.limits.Load()
	if s.is(dropped) {
		return
	}
	if limits.Rate > 0 {
		s.until = pass.Pay(s.until, s.conn.w.Now(), n, limits.Rate)
	}
	if limits.TotalRate > 0 {
		g.total.spend(n, limits.TotalRate)
	}
}

// A meter bounds what the flows of all loops read together: it is the time until
// which that is paid for, and the line in which they wait. Each reads once in
// its turn, whatever loop it is of, and goes to the end.
type meter struct {
	start time.Time

	mu    sync.Mutex
	until time.Duration // since start
	line  []*side
}

func (m *meter) owed() time.Duration { return m.until - time.Since(m.start) }

func (m *meter) spend(bytes int, rate int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until = pass.Pay(m.until, time.Since(m.start), bytes, rate)
}

// admits reports whether a side may read now. If not, it waits in the line.
func (m *meter) admits(s *side) bool {
	w := s.conn.w
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.turn == s && m.owed() <= 0 || len(m.line) == 0 && m.owed() <= 0 {
		w.turn = nil
		return true
	}
	s.set(inLine)
	if m.line = append(m.line, s); len(m.line) == 1 {
		w.Arm(&w.lineTimer, m.owed(), lineOf{w})
	}
	return false
}

// leave takes a side out that waits no more.
func (m *meter) leave(s *side) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.unset(inLine)
	i := slices.Index(m.line, s)
	if m.line = slices.Delete(m.line, i, i+1); i == 0 {
		m.callFirst()
	}
}

// callFirst makes the loop of the first in line see to it. The caller holds mu.
func (m *meter) callFirst() {
	if len(m.line) > 0 {
		w := m.line[0].conn.w
		w.Post(w.serveLine)
	}
}

// serveLine gives the first in line their turns, as long as they are of this
// loop.
func (w *worker) serveLine() {
	m := &w.group.total
	for range maxRounds {
		m.mu.Lock()
		if len(m.line) == 0 || m.line[0].conn.w != w {
			m.callFirst()
			m.mu.Unlock()
			return
		}
		if owed := m.owed(); owed > 0 {
			w.Arm(&w.lineTimer, owed, lineOf{w})
			m.mu.Unlock()
			return
		}
		s := m.line[0]
		m.line = slices.Delete(m.line, 0, 1)
		m.mu.Unlock()
		s.unset(inLine)
		w.turn = s
		s.pump()
		w.turn = nil
	}
	w.Post(w.serveLine)
}

// lineOf is the owner of a worker's timer for the line.
type lineOf struct{ w *worker }

// Expired implements poll.Expirer.
func (l lineOf) Expired(*poll.Timer) { l.w.serveLine() }
