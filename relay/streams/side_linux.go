package streams

import (
	"encoding/binary"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/poll"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
)

// A side is a descriptor of a Conn, and the flow of what it sends to the far
// side: itself, for an echo.
type side struct {
	conn     *Conn
	far      *side
	held     *held         // what was read and is not written yet; nil mostly
	until    time.Duration // when it may be read again, while throttled
	passed   outcome.Flow
	fd       int32
	readTurn uint32 // of the loop, when it was read last
	flags    flags
	broken   uint16 // the errno of why it takes no more
	kind     StreamKind
}

// A StreamKind says what a stream can do.
type StreamKind uint8

// The kinds of stream.
const (
	// Plain streams are read and written. Urgent data is among the others.
	Plain StreamKind = iota
	// TCP can be spliced, and has urgent data.
	TCP
	// Unix streams may bring descriptors, and have urgent data.
	Unix
)

type flags uint32

const (
	readable  flags = 1 << iota // there may be something to read
	fresh                       // and what is read first is no urgent byte
	marked                      // there is an urgent byte somewhere ahead
	closing                     // nothing more will come to what there is
	failed                      // an error is pending
	ended                       // the end-of-file was read
	finished                    // nothing more passes from this side
	blocked                     // the far side takes nothing now
	splicing                    // reads fill the buffer
	throttled                   // by its rate
	inLine                      // waits for the total rate
	queued                      // has asked for another turn
	hungUp                      // both its directions are over
	unread                      // it closed with unread input
	dropped                     // the far side takes no more: what is read is dropped
	lost                        // and there was some
	lingering                   // until it ends or is silent (linger_linux.go)
)

func (s *side) is(f flags) bool { return s.flags&f != 0 }
func (s *side) set(f flags)     { s.flags |= f }
func (s *side) unset(f flags)   { s.flags &^= f }

func (s *side) index() outcome.Side {
	if s == &s.conn.sides[outcome.B] {
		return outcome.B
	}
	return outcome.A
}

// streamEvents are what a side is registered for, once.
const streamEvents = poll.Readable | poll.Writable | poll.Urgent | poll.PeerClosed | poll.EdgeTriggered

const shutWrite = unix.SHUT_WR

func (s *side) init(c *Conn, fd int, k StreamKind) {
	*s = side{conn: c, fd: int32(fd), kind: k}
}

// close closes the descriptor, by a reset if abort. A kind that knows none is
// closed in its stead.
func (s *side) close(abort bool) {
	s.release()
	if s.is(inLine) {
		s.conn.w.group.total.leave(s)
	}
	if s.conn == nil || s.fd < 0 {
		return
	}
	s.splicesNoMore()
	if abort && s.kind != Unix {
		sys.RawSetsockopt(int(s.fd), unix.SOL_SOCKET, unix.SO_LINGER, lingerNothing)
	}
	s.conn.w.CloseFD(int(s.fd))
	s.fd = -1
}

// Reset closes the descriptor of a stream that no loop has, by a reset where the kind
// knows one: what was cut short must not look whole.
func Reset(fd int) {
	sys.RawSetsockopt(fd, unix.SOL_SOCKET, unix.SO_LINGER, lingerNothing)
	sys.Close(fd)
}

// lingerNothing is struct linger with which close(2) resets: on, and 0 s.
var lingerNothing = append(slices.Clone(one), 0, 0, 0, 0)

// one is an int of the machine's, as options have it.
var one = binary.NativeEndian.AppendUint32(nil, 1)

// Ready implements Handler.
func (s *side) Ready(e poll.Events) {
	c := s.conn
	s.note(e)
	switch {
	case c.state == connecting && s.index() == outcome.B:
		c.connected(e)
		return
	case c.state != joined:
		c.watch()
		return
	}
	if near := s.far; e&poll.Writable != 0 && near.is(blocked) {
		// The far side of the far side is this one.
		near.unset(blocked)
		if near.pump(); c.state == over {
			return
		}
	}
	if s.pump(); c.state == over {
		return
	}
	if s.is(finished) && s.is(failed) {
		// Nobody reads any more, and the error must not wait for a write.
		s.unset(failed)
		if errno := s.pending(0); errno != 0 {
			c.fail(s, "write", errno)
		}
	} else if s.is(finished) && s.kind == Unix && e&poll.HungUp != 0 {
		c.fail(s, "write", syscall.EPIPE)
	}
}

// note remembers what events say.
func (s *side) note(e poll.Events) {
	if e&poll.Readable != 0 {
		s.set(readable)
		if s.readTurn != s.conn.w.Turn() {
			// It was so when the turn began, and what is ordinary at the
			// head of the queue stays so, unless something was read since.
			s.set(fresh)
		}
	}
	if e&poll.Urgent != 0 {
		s.set(readable | marked)
		s.unset(fresh)
	}
	if e&(poll.PeerClosed|poll.HungUp|poll.Failed) != 0 {
		s.set(readable | closing)
	}
	if e&poll.Failed != 0 {
		s.set(failed)
	}
	if e&poll.HungUp != 0 {
		s.set(hungUp)
	}
	s.unset(queued)
}

// pending takes the error that waits at the descriptor, else is otherwise.
func (s *side) pending(otherwise syscall.Errno) syscall.Errno {
	w := s.conn.w
	if sys.RawGetsockopt(int(s.fd), unix.SOL_SOCKET, unix.SO_ERROR, w.option[:4], &w.optionLen) == 0 {
		if errno := syscall.Errno(binary.NativeEndian.Uint32(w.option[:])); errno != 0 {
			return errno
		}
	}
	return otherwise
}
