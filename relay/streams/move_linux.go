package streams

import "zocalo/relay/outcome"

// Bulk is what keeps a loop busy, and one loop is one processor. So each loop
// counts the flows that it splices, and one that begins to splice goes to the
// loop that has the fewest, if that is far enough behind. Connections without
// bulk stay where they were accepted.

// moreBulk is by how many spliced flows a loop must be ahead of another before
// it gives one away: less would move one flow back and forth.
const moreBulk = 2

// splices notes that a side begins to be spliced, and has its Conn given away if
// another loop has less to do.
func (s *side) splices() {
	s.set(splicing)
	w, c := s.conn.w, s.conn
	w.bulk.Add(1)
	if c.leaving || w.lighter() == nil {
		return
	}
	// Not now: callers of pump still have the Conn in hand.
	c.leaving = true
	if w.leaving = append(w.leaving, c); len(w.leaving) == 1 {
		w.Post(w.giveAway)
	}
}

// lighter returns the loop that splices least, nil if it is this one or not far
// enough behind.
func (w *worker) lighter() *worker {
	to, least := (*worker)(nil), w.bulk.Load()-moreBulk
	for _, other := range w.group.workers() {
		if bulk := other.bulk.Load(); bulk <= least {
			to, least = other, bulk-1
		}
	}
	return to
}

// giveAway moves those that are leaving, as long as another loop has less to do.
func (w *worker) giveAway() {
	if w.group.still.Load() > 0 {
		return // Each calls it again
	}
	all := w.leaving
	w.leaving = nil
	for _, c := range all {
		c.leaving = false
		if to := w.lighter(); to != nil {
			w.move(c, to)
		}
	}
}

// splicesNoMore is the opposite. It does nothing to a side that is not spliced.
func (s *side) splicesNoMore() {
	if s.is(splicing) {
		s.unset(splicing)
		s.conn.w.bulk.Add(-1)
	}
}

// move hands a Conn to another loop. What happens to its descriptors meanwhile
// is not lost: the other loop is told of it when it adds them.
func (w *worker) move(c *Conn, to *worker) {
	if c.state != joined || w.cut || !to.expects() {
		return
	}
	w.Disarm(&c.timer)
	w.forget(c)
	for i := range c.sides {
		s := &c.sides[i]
		if s.is(inLine) {
			w.group.total.leave(s)
		}
		s.unset(queued | throttled)
		if s.fd >= 0 {
			w.Remove(int(s.fd))
		}
	}
	c.count(to)
	to.Post(func() { to.adopt(c) })
}

// count makes a Conn that is in no loop one of another worker's, which expects it.
func (c *Conn) count(to *worker) {
	w, bulk := c.w, int64(0)
	ahead := to.Now() - w.Now() // the loops' clocks began at different times
	c.began += ahead
	c.moved += ahead
	for i := range c.sides {
		s := &c.sides[i]
		s.until += ahead
		if s.is(splicing) {
			bulk++
		}
	}
	w.bulk.Add(-bulk)
	to.bulk.Add(bulk)
	w.count.Add(-1)
	c.w = to
}

// adopt takes a Conn that another loop has given away.
func (w *worker) adopt(c *Conn) {
	w.remember(c)
	if w.cut { // while it was on its way
		c.End(outcome.Cancelled, outcome.A, "", 0)
		return
	}
	for i := range c.sides {
		s := &c.sides[i]
		if s.fd < 0 {
			continue
		}
		s.readTurn = w.Turn()
		s.unset(fresh)
		if err := w.Add(int(s.fd), streamEvents, s); err != nil {
			c.End(outcome.Failed, outcome.Side(i), "epoll_ctl", errnoOf(err))
			return
		}
	}
	c.schedule()
	for i := range c.sides {
		if s := &c.sides[i]; s.fd >= 0 && c.state == joined {
			s.pump()
		}
	}
}
