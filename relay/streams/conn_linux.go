package streams

import (
	"net"
	"os"
	"syscall"
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/poll"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
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
	timer      poll.Timer // the next thing that time alone brings
	began      time.Duration
	moved      time.Duration // when something passed last
	try        *attempt      // while B is being connected
	state      state
	flows      uint8 // that are not over
	leaving    bool  // it is among those that the worker gives away
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
	outcome.Result               // Duration is since it was joined, or accepted if it never was
	Call           string        // of Reset and Failed: the system call, as "read"
	Errno          syscall.Errno // what that answered
}

// OpError is the error of the system call much as package socket would have it, for
// a peer by its network and by what people call it.
func (e *Ending) OpError(network, peer string) *net.OpError {
	return &net.OpError{Op: e.Call, Net: network, Addr: textAddr{network, peer}, Err: os.NewSyscallError(e.Call, e.Errno)}
}

// textAddr is a net.Addr of its texts.
type textAddr struct{ network, text string }

func (a textAddr) Network() string { return a.network }
func (a textAddr) String() string  { return a.text }

// Result returns what has passed until now, and for how long the Conn is joined, or
// accepted if it is not joined yet.
func (c *Conn) Result() outcome.Result {
	return outcome.Result{From: [2]outcome.Flow{c.sides[outcome.A].passed, c.sides[outcome.B].passed}, Duration: c.age()}
}

func (c *Conn) age() time.Duration { return c.w.Now() - c.began }

// Loop returns the loop to which the Conn belongs.
func (c *Conn) Loop() *poll.Loop { return c.w.Loop }

// Reached reports whether it is, or was, joined.
func (c *Conn) Reached() bool { return c.sides[outcome.B].far != nil }

// FD returns the descriptor of side A, -1 once the Conn is over.
func (c *Conn) FD() int { return int(c.sides[outcome.A].fd) }

// Join joins side A with a connected, nonblocking stream, which is the Conn's
// from then on. Where the Conn is over already it is closed.
func (c *Conn) Join(fd int, k StreamKind) {
	if c.state == over {
		sys.Close(fd)
		return
	}
	c.sides[outcome.B].init(c, fd, k)
	if k != Plain {
		c.w.inline(fd)
	}
	if err := c.w.Add(fd, streamEvents, &c.sides[outcome.B]); err != nil {
		c.End(outcome.Failed, outcome.B, "epoll_ctl", errnoOf(err))
		return
	}
	c.join()
}

// join begins to pass on what two sides send that are in the loop.
func (c *Conn) join() {
	c.sides[outcome.A].far, c.sides[outcome.B].far = &c.sides[outcome.B], &c.sides[outcome.A]
	c.begin(2)
	if c.sides[outcome.A].pump(); c.state == joined {
		c.sides[outcome.B].pump()
	}
}

// Echo sends back to side A what it sends.
func (c *Conn) Echo() {
	if c.state == over {
		return
	}
	c.sides[outcome.A].far = &c.sides[outcome.A]
	c.begin(1)
	c.sides[outcome.A].pump()
}

func (c *Conn) begin(flows uint8) {
	now := c.w.Time()
	c.state, c.flows, c.began, c.moved = joined, flows, now, now
	c.schedule()
}

// endOfFile passes the end of a side on to the far one, all that it sent
// having been written.
func (c *Conn) endOfFile(s *side) {
	switch {
	case s.cut():
		c.End(reasonOf(s.broken), s.index(), "write", syscall.Errno(s.broken))
		return
	case !s.is(dropped): // else it was lost, and nobody is left to be told
		s.passed.EndOfFile = true
		// close(2), which follows on the last end, tells it as well.
		s.passed.EndOfFileTold = c.flows == 1 || sys.RawShutdown(int(s.far.fd), shutWrite) == 0
	}
	s.set(finished)
	s.release()
	c.flows--
	if s.kind == Unix && s.is(hungUp) {
		s.breaks(syscall.EPIPE) // it closed both ways, and not only its own
	}
	c.settle()
}

// settle ends the Conn once nothing more is to pass.
func (c *Conn) settle() {
	for i := range c.sides {
		s := &c.sides[i]
		switch {
		case s.broken == 0:
		case c.flows == 0 && s.wasHarmed(), c.flows > 0 && s.is(finished) && !s.far.linger():
			call := "write"
			if s.is(unread) {
				call = "read"
			}
			c.End(reasonOf(s.broken), outcome.Side(i), call, syscall.Errno(s.broken))
			return
		}
	}
	if c.flows == 0 {
		c.End(outcome.Finished, outcome.A, "", 0)
	}
}

// fail ends the Conn for an error of one side. Where that had finished in order
// before, all that it sent still arrives.
func (c *Conn) fail(s *side, call string, errno syscall.Errno) {
	if s.is(finished) && s.far != s {
		s.breaks(errno)
		c.settle()
		return
	}
	c.End(reasonOf(uint16(errno)), s.index(), call, errno)
}

// reasonOf returns how an error of a side ends a Conn.
func reasonOf(errno uint16) outcome.EndReason {
	if pass.IsReset(syscall.Errno(errno)) {
		return outcome.Reset
	}
	return outcome.Failed
}

// End ends the Conn, if it is not over: it closes what is open, in order where it
// finished so and else by a reset, and tells the Service.
func (c *Conn) End(how outcome.EndReason, side outcome.Side, call string, errno syscall.Errno) {
	if c.state == over {
		return
	}
	young := c.state != joined && how != outcome.Reset
	c.state = over
	c.w.Disarm(&c.timer)
	c.try = nil
	if a := &c.sides[outcome.A]; young && a.fd >= 0 {
		a.refuse()
	}
	for i := range c.sides {
		s := &c.sides[i]
		abort := how != outcome.Finished
		switch {
		case how != outcome.Reset && how != outcome.Failed:
		case i == int(side):
			// Of a side that was reset there is nothing left to reset.
			abort = errno != syscall.ECONNRESET
		case s.told():
			// A reset would overtake the rest of what was whole.
			abort = !s.is(ended) && s.unsent() == 0
		}
		s.close(abort)
	}
	e := Ending{c.Result(), call, errno}
	e.How, e.Side = how, side
	c.w.ended(c, e)
}

// longest is as long as a timer is armed for, lest a sum overflow: decades.
const longest = time.Duration(1) << 61

// schedule arms the timer for what comes next.
func (c *Conn) schedule() {
	if s := c.lingers(); s != nil {
		c.scheduleLinger(s)
		return
	}
	g, next := c.w.group.limits.Load(), time.Duration(-1)
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
func (c *Conn) Expired(*poll.Timer) {
	if c.state != joined {
		c.connectExpired()
		return
	}
	g, now := c.w.group.limits.Load(), c.w.Now()
	if s := c.lingers(); s != nil {
		c.lingered(s)
		return
	}
	if (c.sides[outcome.A].flags|c.sides[outcome.B].flags)&(throttled|inLine) != 0 {
		c.moved = now // to wait for a rate is no idleness
	}
	switch {
	case g.Lifetime > 0 && now-c.began >= g.Lifetime:
		c.End(outcome.Lifetime, outcome.A, "", 0)
		return
	case g.Idle > 0 && now-c.moved >= g.Idle:
		c.End(outcome.Idle, outcome.A, "", 0)
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
