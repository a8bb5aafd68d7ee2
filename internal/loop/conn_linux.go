package loop

import (
	"syscall"
	"time"

	"zocalo/internal/sys"
)

// A Conn is a connection that was accepted, and the one that it is joined
// with: side A, which was accepted, and side B, which was reached for it. An
// echo has the side A alone. While nothing passes, its descriptors and this
// struct are all that it holds.
//
// Its methods belong to its loop, like everything but Post.
type Conn struct {
	// Data is the Service's own.
	Data any

	w          *worker
	prev, next *Conn // in the worker's list
	sides      [2]side
	timer      Timer // the next thing that time alone brings
	began      time.Duration
	moved      time.Duration // when something passed last
	try        *attempt      // while B is being connected
	state      state
	flows      uint8 // that are not over
}

type state uint8

const (
	waiting    state = iota // for the Service to say what is to be done
	connecting              // B is on its way
	joined
	over
)

// An Ending says how a Conn ended.
type Ending struct {
	How      How
	Side     int           // where it began, of Reset, Broken and FilesCame: A or B
	Call     string        // of Reset and Broken: the system call, as "read"
	Errno    syscall.Errno // what that answered
	Duration time.Duration // since it was joined, or accepted if it never was
}

// The sides.
const (
	A = 0 // was accepted
	B = 1 // was reached
)

// How says how a Conn ended.
type How uint8

// The ways to end.
const (
	Finished  How = iota // both sides in order
	Reset                // one reset the connection or took no more; the other was reset
	Idle                 // nothing passed for Group.Idle
	Lifetime             // Group.Lifetime is over
	Cancelled            // the group was stopped; both sides were reset
	Broken               // a side failed for another reason; the other was reset
	FilesCame            // descriptors came that were not to; both were reset
)

// A Flow is what passed from one side to the other.
type Flow struct {
	Octets        int64  // urgent ones included
	Urgent        uint32 // octets passed on as urgent
	UrgentInLine  uint32 // those that went among the others, which is all that the far side takes
	Files         uint32 // descriptors passed on
	FilesRefused  uint32 // reads whose descriptors were closed
	EndOfFile     bool   // the side finished in order, and all it sent was written
	EndOfFileTold bool   // and the other side knows
}

// From returns what has passed from a side until now.
func (c *Conn) From(side int) Flow { return c.sides[side].passed }

// Age returns for how long it is joined, or accepted if it is not joined yet.
func (c *Conn) Age() time.Duration { return c.w.Now() - c.began }

// Loop returns the loop to which the Conn belongs.
func (c *Conn) Loop() *Loop { return c.w.Loop }

// Reached reports whether it is, or was, joined.
func (c *Conn) Reached() bool { return c.sides[B].far != nil }

// FD returns the descriptor of side A, -1 once the Conn is over.
func (c *Conn) FD() int { return int(c.sides[A].fd) }

// Join joins side A with a connected, nonblocking stream, which is the Conn's
// from then on. Where the Conn is over already it is closed.
func (c *Conn) Join(fd int, k StreamKind) {
	if c.state == over {
		sys.Close(fd)
		return
	}
	c.sides[B].init(c, fd, k)
	if k != Plain {
		c.w.inline(fd)
	}
	if err := c.w.Add(fd, streamEvents, &c.sides[B]); err != nil {
		c.finish(Broken, B, "epoll_ctl", errnoOf(err))
		return
	}
	c.join()
}

// join begins to pass on what two sides send that are in the loop.
func (c *Conn) join() {
	c.sides[A].far, c.sides[B].far = &c.sides[B], &c.sides[A]
	c.begin(2)
	if c.sides[A].pump(); c.state == joined {
		c.sides[B].pump()
	}
}

// Echo sends back to side A what it sends.
func (c *Conn) Echo() {
	if c.state == over {
		return
	}
	c.sides[A].far = &c.sides[A]
	c.begin(1)
	c.sides[A].pump()
}

func (c *Conn) begin(flows uint8) {
	now := c.w.Time()
	c.state, c.flows, c.began, c.moved = joined, flows, now, now
	c.schedule()
}

// End ends the Conn, if it is not over, and resets both sides unless it
// finished in order.
func (c *Conn) End(how How, side int, call string, errno syscall.Errno) {
	c.finish(how, side, call, errno)
}

// endOfFile passes the end of a side on to the far one, all that it sent
// having been written.
func (c *Conn) endOfFile(s *side) {
	if s.broken != 0 {
		// No end in order: what the far side sent was lost.
		c.finish(Reset, s.index(), "write", syscall.Errno(s.broken))
		return
	}
	s.passed.EndOfFile = true
	// close(2), which follows on the last end, tells it as well.
	s.passed.EndOfFileTold = c.flows == 1 || sys.RawShutdown(int(s.far.fd), shutWrite) == 0
	c.flowOver(s)
}

// breaks notes that a side takes no more. What it still sends passes.
func (c *Conn) breaks(s *side, errno syscall.Errno) {
	if s.broken == 0 {
		s.broken = uint16(errno)
	}
	c.flowOver(s.far)
}

// flowOver notes that nothing more passes from a side. The last one ends the
// Conn.
func (c *Conn) flowOver(from *side) {
	if !from.is(finished) {
		from.set(finished)
		from.release()
		c.flows--
	}
	if c.flows > 0 {
		return
	}
	for i := range c.sides {
		if errno := c.sides[i].broken; errno != 0 {
			c.finish(Reset, i, "write", syscall.Errno(errno))
			return
		}
	}
	c.finish(Finished, A, "", 0)
}

// fail ends the Conn for an error of one side.
func (c *Conn) fail(s *side, call string, errno syscall.Errno) {
	how := Broken
	if isReset(errno) {
		how = Reset
	}
	c.finish(how, s.index(), call, errno)
}

// isReset reports whether errno says that the peer, or the way to it, ended
// the connection without finishing it.
func isReset(errno syscall.Errno) bool {
	return errno == syscall.ECONNRESET || errno == syscall.EPIPE || errno == syscall.ECONNABORTED
}

// finish ends the Conn, once: it closes what is open, in order or by a reset,
// and tells the Service.
func (c *Conn) finish(how How, side int, call string, errno syscall.Errno) {
	if c.state == over {
		return
	}
	c.state = over
	c.w.Disarm(&c.timer)
	c.try = nil
	for i := range c.sides {
		// Of a side that was reset there is nothing left to reset.
		gone := how == Reset && i == side && errno == syscall.ECONNRESET
		c.sides[i].close(!gone && (how == Reset || how >= Cancelled))
	}
	c.w.ended(c, Ending{how, side, call, errno, c.Age()})
}

// longest is as long as a timer is armed for, lest a sum overflow: decades.
const longest = time.Duration(1) << 61

// schedule arms the timer for what comes next.
func (c *Conn) schedule() {
	g, next := c.w.group, time.Duration(-1)
	sooner := func(at time.Duration) {
		if next < 0 || at < next {
			next = at
		}
	}
	if g.Lifetime > 0 {
		sooner(c.began + min(g.Lifetime, longest))
	}
	if g.Idle > 0 {
		sooner(c.moved + min(g.Idle, longest))
	}
	for i := range c.sides {
		if s := &c.sides[i]; s.is(throttled) {
			sooner(s.until)
		}
	}
	if next >= 0 {
		c.w.Arm(&c.timer, next-c.w.Now(), c)
	}
}

// Expired implements Expirer.
func (c *Conn) Expired(*Timer) {
	if c.state != joined {
		c.connectExpired()
		return
	}
	g, now := c.w.group, c.w.Now()
	if (c.sides[A].flags|c.sides[B].flags)&(throttled|inLine) != 0 {
		c.moved = now // to wait for a rate is no idleness
	}
	switch {
	case g.Lifetime > 0 && now-c.began >= g.Lifetime:
		c.finish(Lifetime, A, "", 0)
		return
	case g.Idle > 0 && now-c.moved >= g.Idle:
		c.finish(Idle, A, "", 0)
		return
	}
	for i := range c.sides {
		if s := &c.sides[i]; s.is(throttled) && now >= s.until {
			s.unset(throttled)
			if s.pump(); c.state == over {
				return
			}
		}
	}
	c.schedule()
}
