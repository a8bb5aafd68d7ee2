package streams

// MoveAll hands every Conn of each loop to another one.
func (g *Group) MoveAll() {
	for i, w := range g.workers() {
		to := g.workers()[(i+1)%len(g.workers())]
		w.Post(func() {
			for c := w.conns; c != nil; {
				next := c.next
				if !c.leaving {
					w.move(c, to)
				}
				c = next
			}
		})
	}
}

// Bulk returns how many sides each loop splices.
func (g *Group) Bulk() (all []int64) {
	for _, w := range g.workers() {
		all = append(all, w.bulk.Load())
	}
	return all
}

// MoveTo hands a Conn to a loop, on its own.
func (c *Conn) MoveTo(loop int) {
	if to := c.w.group.workers()[loop]; to != c.w && !c.leaving {
		c.w.move(c, to)
	}
}

// MoveAsItDrains hands the one Conn that is open to a loop that has just ended,
// since stop, which it calls, has the group drain.
func (g *Group) MoveAsItDrains(stop func()) {
	var from, to *worker
	g.each(func(w *worker) {
		if w.conns != nil {
			from = w
		} else {
			to = w
		}
	})
	blocked, drains, ended, moved := make(chan bool), make(chan bool), make(chan bool), make(chan bool)
	to.Post(func() {
		close(blocked)
		<-drains
		to.drain()
		close(ended)
		<-moved
	})
	<-blocked
	stop()
	for draining := false; !draining; {
		asked := make(chan bool)
		from.Post(func() { asked <- from.draining })
		draining = <-asked
	}
	close(drains)
	<-ended
	from.Post(func() {
		from.move(from.conns, to)
		close(moved)
	})
	<-moved
}
