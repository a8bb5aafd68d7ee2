package streams

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"zocalo/internal/pass"
	"zocalo/internal/poll"
	"zocalo/internal/sys"
)

// The bounds of what one flow does before others have their turn. To go from
// flow to flow costs what was in the processor's cache: with 1 MiB a turn, 8
// flows of bulk took 1.4 times the processor time that they do with 4.
const (
	maxWork   = 4 << 20 // bytes
	maxRounds = 32      // reads
)

// leastSplice is how many bytes a splice must bring for the flow to go on
// splicing. Less is cheaper read and written.
const leastSplice = 16 << 10

// pump passes on what a side sends, until there is nothing more, the far side
// takes no more, or it is the turn of others.
func (s *side) pump() {
	switch {
	case s.is(finished):
		return
	case s.is(blocked) && s.is(failed) && s.wasReset():
		return
	case s.flags&(blocked|throttled|inLine) != 0:
		return
	}
	work := 0
	for round := 0; ; round++ {
		if s.held != nil && !s.flush() {
			return
		}
		if s.is(ended) {
			s.conn.endOfFile(s)
			return
		}
		if !s.is(readable) {
			return
		}
		if work >= maxWork || round >= maxRounds {
			s.again()
			return
		}
		max := s.allowed()
		if max == 0 {
			return
		}
		n, ok := s.receive(max)
		if work += n; !ok {
			return
		}
	}
}

// again asks for another turn.
func (s *side) again() {
	if !s.is(queued) {
		s.set(queued)
		s.conn.w.Again(int(s.fd), 0)
	}
}

// receive reads once, at most max bytes, and passes on what it gets. It
// returns how much that was, and ok false if the flow cannot go on now.
func (s *side) receive(max int) (n int, ok bool) {
	if s.is(splicing) && !s.is(marked) {
		return s.receiveSpliced(max)
	}
	b := s.conn.w.Scratch()[:min(max, poll.ScratchSize)]
	urgent, some := s.atMark()
	if !some {
		s.unset(readable | marked)
		return 0, true
	}
	if urgent {
		b = b[:1]
	}
	n, files, errno := s.read(b)
	for errno == syscall.EAGAIN && urgent && s.kind == TCP {
		// Before an urgent mark a signal that is pending, Go's own among them,
		// ends recv(2) so, and no event comes for what is there already.
		if urgent, some = s.atMark(); !urgent || !some {
			break
		}
		n, files, errno = s.read(b)
	}
	if s.conn.state == over { // for what came with it
		return 0, false
	}
	s.unset(fresh)
	s.readTurn = s.conn.w.Turn()
	switch {
	case errno == syscall.EAGAIN:
		s.unset(readable | marked)
		return 0, true
	case errno == syscall.ECONNRESET && s.kind == Unix:
		// It closed with unread input, and all that it sent was read.
		s.set(ended | unread)
		s.breaks(errno)
		return 0, true
	case errno != 0:
		s.conn.fail(s, "read", errno)
		return 0, false
	case n == 0:
		s.set(ended)
		return 0, true
	}
	s.spend(n)
	switch {
	case urgent:
		s.unset(marked)
	case n == len(b) && n == poll.ScratchSize && s.kind == TCP && !s.is(dropped):
		s.splices()
	case n < len(b) && files == nil && s.flags&(closing|marked) == 0:
		// epoll(7): a short read says that there was no more, and what comes
		// will be told. Not so before the end, before the mark, and behind
		// descriptors.
		s.unset(readable)
	}
	return n, s.send(b[:n], urgent, files)
}

// atMark reports whether the next byte is urgent, and whether it is known that
// there is one, or the end. A read that finds nothing there when it is asked
// for, and an urgent byte when it begins, would take it for an ordinary one.
func (s *side) atMark() (urgent, some bool) {
	if s.kind == Plain || s.is(fresh) {
		return false, true
	}
	number := &s.conn.w.number
	if n, errno := sys.RawPending(int(s.fd), number); errno == 0 && n == 0 {
		return false, s.is(closing)
	}
	urgent, _ = sys.RawAtMark(int(s.fd), number)
	return urgent, true
}

// read is recv(2), or recvmsg(2) where descriptors may come.
func (s *side) read(b []byte) (n int, files []int, errno syscall.Errno) {
	if s.kind == Unix {
		return s.readFiles(b)
	}
	n, errno = sys.RawRecv(int(s.fd), b, 0)
	return n, nil, errno
}

// send writes what was read to the far side. What that does not take now is
// held. It reports whether the flow can go on.
func (s *side) send(b []byte, urgent bool, files []int) bool {
	if s.is(dropped) {
		closeAll(files)
		s.drop()
		return true
	}
	n, errno := s.write(b, urgent, files)
	if n > 0 || errno != 0 && errno != syscall.EAGAIN {
		closeAll(files) // they went with the first byte, or never will
		files = nil
	}
	if errno == 0 && n == len(b) {
		return true
	}
	if errno != 0 && errno != syscall.EAGAIN {
		return s.refused(errno)
	}
	s.held = s.conn.w.hold(b[n:], urgent, files)
	return s.flush()
}

// write is one attempt to write b, and counts what was taken.
func (s *side) write(b []byte, urgent bool, files []int) (n int, errno syscall.Errno) {
	flags := 0
	if urgent && s.far.kind != Plain {
		flags = unix.MSG_OOB
	}
	if files != nil {
		n, errno = s.sendFiles(b, flags, files)
	} else {
		n, errno = sys.RawSend(int(s.far.fd), b, flags)
	}
	if errno != 0 {
		return 0, errno
	}
	s.count(n)
	switch {
	case flags != 0:
		s.passed.Urgent += uint32(n)
	case urgent:
		s.passed.UrgentInLine += uint32(n)
	}
	return n, 0
}

// count notes bytes that were written.
func (s *side) count(n int) {
	w := s.conn.w
	s.passed.Bytes += int64(n)
	w.passed[s.index()].Add(int64(n))
	s.conn.moved = w.Time()
	if tell := w.group.OnPassed; tell != nil {
		tell(s.conn, s.index(), n)
	}
}

// flush writes what is held, and reports whether all of it went and the flow
// can go on.
func (s *side) flush() bool {
	h := s.held
	for h.piped > 0 {
		n, errno := sys.RawSplice(h.pipe.R, int(s.far.fd), h.piped)
		if errno != 0 {
			return s.refused(errno)
		}
		h.piped -= n
		s.count(n)
	}
	for len(h.rest) > 0 {
		n, errno := s.write(h.rest, h.urgent, h.files)
		if errno != 0 {
			return s.refused(errno)
		}
		if n > 0 && h.files != nil {
			closeAll(h.files)
			h.files = nil
		}
		h.rest = h.rest[n:]
	}
	s.release()
	return true
}

// refused deals with a write that failed. It returns false.
func (s *side) refused(errno syscall.Errno) bool {
	switch {
	case errno == syscall.EAGAIN:
		s.set(blocked)
		if s.is(failed) {
			s.wasReset()
		}
	case pass.IsReset(errno) && s.far != s:
		s.set(lost)
		s.far.breaks(errno)
		s.conn.settle()
	default:
		s.set(lost)
		s.conn.fail(s.far, "write", errno)
	}
	return false
}

// noSplice are the answers of splice(2) that say nothing of the connection.
var noSplice = []syscall.Errno{0, syscall.EAGAIN, syscall.EINVAL, syscall.ENOMEM, syscall.ENOBUFS}

// receiveSpliced is receive by splice(2), through a pipe.
func (s *side) receiveSpliced(max int) (n int, ok bool) {
	pipe, errno := poll.TakePipe()
	if errno != 0 { // out of descriptors: what is read needs none
		s.splicesNoMore()
		s.unset(fresh)
		return 0, true
	}
	n, errno = sys.RawSplice(int(s.fd), pipe.W, min(max, poll.PipeSize))
	s.unset(fresh)
	s.readTurn = s.conn.w.Turn()
	if errno == 0 && n > 0 {
		if n < leastSplice {
			s.splicesNoMore()
		}
		s.spend(n)
		s.held = s.conn.w.holdPipe(pipe, n)
		return n, s.flush()
	}
	pipe.Give()
	switch {
	case errno == syscall.EAGAIN && !s.is(closing):
		// Also before the mark: that is told, or was and waits in this turn.
		s.unset(readable)
	case slices.Contains(noSplice, errno):
		// The end, or the mark with nothing behind it, or what cannot be
		// spliced: recv(2) knows.
		s.splicesNoMore()
	default: // told once: recv(2) would say that it ended in order
		s.conn.fail(s, "splice", errno)
		return 0, false
	}
	return 0, true
}
