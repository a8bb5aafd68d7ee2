package streams

import (
	"syscall"
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
)

// A side that takes no more may have more to say: what it sent still passes,
// and its end. What the far side sends meanwhile is dropped, so that nobody who
// writes before he reads waits for ever.
//
// Once the end of the one was told, the other lingers: to close a TCP socket
// with unread input resets it, and the reset would overtake the rest of what
// was to be delivered.

// breaks notes that a side takes no more.
func (s *side) breaks(errno syscall.Errno) {
	if s.broken == 0 {
		s.broken = uint16(errno)
	}
	far := s.far
	if far == s || far.flags&(finished|dropped) != 0 {
		return
	}
	far.set(dropped)
	if far.held != nil {
		far.set(lost)
		far.release()
	}
	if far.is(inLine) {
		far.conn.w.group.total.leave(far)
	}
	far.splicesNoMore()
	far.unset(blocked | throttled)
	far.again()
}

// drop notes that what was read is dropped.
func (s *side) drop() {
	s.set(lost)
	if s.is(lingering) {
		s.until = pass.LingerUntil(s.conn.moved, s.conn.w.Time())
	}
}

// cut reports whether a side that reads as ended, and takes no more, was cut
// off: the kernel tells of a reset once, and that was the writer.
func (s *side) cut() bool {
	if s.broken == 0 || s.kind == Unix {
		return false
	}
	if s.kind == TCP {
		w := s.conn.w
		if came, known := sys.RawFinished(int(s.fd), w.option[:], &w.optionLen); known {
			return !came
		}
	}
	return syscall.Errno(s.broken) != syscall.EPIPE
}

// wasReset deals with the error of a side of which the far one takes nothing
// now: where it was reset, what it sent before may never be taken, and the Conn
// ends. It reports whether.
func (s *side) wasReset() bool {
	if s.kind == Unix { // which knows no reset
		return false
	}
	s.unset(failed)
	errno := syscall.Errno(s.broken)
	if errno == 0 {
		errno = syscall.ECONNRESET
	}
	if errno = s.pending(errno); errno == syscall.EPIPE {
		s.breaks(errno) // and it had finished before
		return false
	}
	s.conn.fail(s, "read", errno)
	return true
}

// wasHarmed reports whether a side that takes no more was reset, or something
// was lost that was sent to it.
func (s *side) wasHarmed() bool { return s.kind != Unix || s.far.is(lost) }

// told reports whether the side knows that the far one has finished in order.
func (s *side) told() bool {
	return s.far != nil && s.far != s && s.far.passed.EndOfFileTold
}

// unsent returns how many bytes its peer has not acknowledged.
func (s *side) unsent() int {
	n, _ := sys.RawUnsent(int(s.fd), &s.conn.w.number)
	return n
}

// linger makes a side linger whose far side has finished and takes no more. It
// returns false where there is nothing to wait for.
func (s *side) linger() bool {
	switch {
	case s.is(lingering):
		return true
	case s.broken != 0, s.mayBeReset():
		return false
	}
	c := s.conn
	s.set(lingering)
	c.moved = c.w.Now()
	s.until = pass.LingerUntil(c.moved, c.moved)
	c.schedule()
	return true
}

// mayBeReset reports whether the far side's reset can be passed on: that was
// one, and all that came before it has arrived.
func (s *side) mayBeReset() bool { return s.far.kind == TCP && s.unsent() == 0 }

// lingers returns the side that lingers, nil if none does.
func (c *Conn) lingers() *side {
	for i := range c.sides {
		if s := &c.sides[i]; s.is(lingering) {
			return s
		}
	}
	return nil
}

// scheduleLinger arms the timer for when the side has lingered for long enough,
// or may have.
func (c *Conn) scheduleLinger(s *side) {
	now, at := c.w.Now(), s.until
	if s.far.kind == TCP { // nothing tells of an acknowledgement
		at = min(at, now+max(firstLook, now-c.moved))
	}
	c.w.Arm(&c.timer, at-now, c)
}

// firstLook is after how long an acknowledgement is looked for; the second is
// after twice that, and so on.
const firstLook = 5 * time.Millisecond

// lingered ends the Conn once the side has lingered for long enough.
func (c *Conn) lingered(s *side) {
	if c.w.Now() < s.until && !s.mayBeReset() {
		c.schedule()
		return
	}
	s.set(finished)
	c.flows--
	c.settle()
}

// watch ends a Conn whose peer has gone while it waits to be joined: it was
// reset, or has closed both ways. One that has left something to read has not,
// where the kind still delivers that.
func (c *Conn) watch() {
	s := &c.sides[outcome.A]
	gone := s.flags&(failed|hungUp) != 0
	if gone && s.kind == Unix {
		n, errno := sys.RawPending(int(s.fd), &c.w.number)
		gone = n == 0 && errno == 0
	}
	if gone {
		c.End(outcome.Reset, outcome.A, "read", s.pending(syscall.ECONNRESET))
	}
}
