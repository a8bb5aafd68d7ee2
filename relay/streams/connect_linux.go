package streams

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/pass"
	"zocalo/internal/poll"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
)

// An attempt is what a Conn remembers while side B is being connected.
type attempt struct {
	to    *sys.Sockaddr
	until time.Duration // when it is given up; negative is never
	pause time.Duration // the last between two calls to a full unix listener
}

// fullBackoff is between calls of connect(2) where the queue of a unix listener is
// full, and no event will say when it is not.
var fullBackoff = pass.Backoff{First: time.Millisecond, Last: 50 * time.Millisecond}

// Connect connects a new, nonblocking socket to an address, and joins side A
// with it. The socket is the Conn's from then on. to must not change. After
// timeout, 0 or less being never, or where it fails, the socket is closed and the
// Service is told (ConnectFailed), perhaps before Connect returns; the Conn then
// waits for what the Service does next.
func (c *Conn) Connect(fd int, k StreamKind, to *sys.Sockaddr, timeout time.Duration) {
	if c.state == over {
		sys.Close(fd)
		return
	}
	c.sides[outcome.B].init(c, fd, k)
	if k != Plain {
		c.w.inline(fd)
	}
	c.state = connecting
	c.try = &attempt{to: to, until: -1}
	if timeout > 0 {
		c.try.until = c.w.Now() + timeout
	}
	c.connect()
}

// connect is connect(2), once.
func (c *Conn) connect() {
	b, t := &c.sides[outcome.B], c.try
	switch errno := sys.RawConnect(int(b.fd), t.to); errno {
	case 0, syscall.EINPROGRESS, syscall.EINTR:
		// That it is in the loop from now on, and not before, spares an event.
		if err := c.w.Add(int(b.fd), streamEvents, b); err != nil {
			c.connectFailed("epoll_ctl", errnoOf(err))
			return
		}
		if t.until >= 0 {
			c.w.Arm(&c.timer, t.until-c.w.Now(), c)
		}
	case syscall.EAGAIN:
		if b.kind != Unix { // no port is free
			c.connectFailed("connect", errno)
			return
		}
		t.pause = fullBackoff.After(t.pause)
		wait := t.pause
		if t.until >= 0 {
			wait = min(wait, t.until-c.w.Now())
		}
		c.w.Arm(&c.timer, wait, c)
	default:
		c.connectFailed("connect", errno)
	}
}

// connectExpired is the end of a pause, or of the time to connect.
func (c *Conn) connectExpired() {
	switch t := c.try; {
	case t == nil:
	case t.until >= 0 && c.w.Now() >= t.until:
		c.connectFailed("connect", syscall.ETIMEDOUT)
	case t.pause > 0:
		c.connect()
	}
}

// connected sees what events say of a connect(2) that was begun.
func (c *Conn) connected(e poll.Events) {
	b := &c.sides[outcome.B]
	if e&(poll.Failed|poll.HungUp) != 0 {
		if errno := b.pending(0); errno != 0 {
			c.connectFailed("connect", errno)
			return
		}
	}
	if e&poll.Writable == 0 {
		return
	}
	if b.kind == TCP && c.itself() {
		c.connectFailed("connect", ErrItself)
		return
	}
	c.w.Disarm(&c.timer)
	c.try = nil
	if tell := c.w.group.OnJoined; tell != nil {
		tell(c)
	}
	c.join()
}

// ErrItself is the error of a TCP socket that the system connected to itself
// (RFC 9293, section 3.5, simultaneous opening): the port has no listener,
// and the system chose that very port for the client.
const ErrItself = unix.ELOOP

func (c *Conn) itself() bool {
	a, to := &c.w.name, c.try.to
	if sys.RawGetsockname(int(c.sides[outcome.B].fd), a) != 0 || a.Family() != to.Family() {
		return false
	}
	switch a.Family() {
	case unix.AF_INET:
		return [6]byte(a.Buf[2:]) == [6]byte(to.Buf[2:])
	case unix.AF_INET6:
		return [2]byte(a.Buf[2:]) == [2]byte(to.Buf[2:]) && [16]byte(a.Buf[8:]) == [16]byte(to.Buf[8:])
	}
	return false
}

// connectFailed gives the socket up and asks the Service what to do.
func (c *Conn) connectFailed(call string, errno syscall.Errno) {
	c.sides[outcome.B].close(false)
	c.try, c.state = nil, waiting
	c.w.Disarm(&c.timer)
	c.w.group.Service.ConnectFailed(c, call, errno)
}
