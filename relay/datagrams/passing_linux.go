package datagrams

import (
	"net"
	"os"
	"syscall"

	"zocalo/internal/pass"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// gather adds a message of the peer's to those of the batch, or holds it where
// it must wait.
func (s *session) gather(slot int, p piece) {
	e := s.near.e
	if s.keeps {
		s.keep(p)
	}
	if e.limited() || s.fd < 0 || s.blocked[outcome.A] || s.more != nil && !s.more.held[outcome.A].Empty() {
		s.hold(outcome.A, p)
	} else {
		e.batch[slot] = p
		e.after[slot] = -1
		if s.head < 0 {
			s.head = int8(slot)
		} else {
			e.after[s.tail] = int8(slot)
		}
		s.tail = int8(slot)
	}
	if !s.listed {
		s.listed = true
		e.gathered = append(e.gathered, s)
	}
}

// forward sends what was gathered.
func (s *session) forward() {
	e := s.near.e
	s.listed = false
	if s.head < 0 {
		if e.limited() && !s.over {
			s.resume()
		}
		return
	}
	e.pieces = e.pieces[:0]
	for i := s.head; i >= 0; i = e.after[i] {
		e.pieces = append(e.pieces, e.batch[i])
		e.batch[i] = piece{}
	}
	s.head = -1
	e.send(int(s.fd), e.pieces, s.ahead())
}

// ahead is the direction to the far socket.
func (s *session) ahead() *direction {
	if s.unix {
		return &s.near.e.singly
	}
	return &s.near.e.ahead
}

// send sends pieces through fd, and holds those that must wait.
func (e *engine) send(fd int, ps []piece, d *direction) {
	for len(ps) > 0 {
		at, errno := e.outbox.send(fd, ps, d)
		if errno == 0 {
			return
		}
		ps = ps[at.piece:]
		ps[0].data = ps[0].data[at.at:]
		s := ps[0].of
		switch verdict := s.failed(d.from, &ps[0], errno); verdict {
		case tryAgain:
		case skipIt:
			ps = ps[1:]
		case untilWritable: // which concerns all of fd's
			for _, p := range ps {
				p.of.hold(d.from, p)
				p.of.block(d.from)
			}
			return
		default: // what concerns this session alone
			rest := ps[:0]
			for _, p := range ps {
				switch {
				case p.of != s:
					rest = append(rest, p)
				case verdict == sessionOver:
					s.drop(d.from, p.count(), goneText)
				default:
					s.hold(d.from, p)
				}
			}
			ps = rest
			if verdict == sessionOver {
				s.lost(errno)
			} else {
				e.wait(s)
			}
		}
	}
}

const goneText = "the far socket's peer is gone"

// A verdict is what to do about a send that failed.
type verdict int

const (
	tryAgain verdict = iota
	skipIt
	untilWritable
	untilLater
	sessionOver
)

// failed judges the failure of a piece, and counts what is lost.
func (s *session) failed(from outcome.Side, p *piece, errno syscall.Errno) verdict {
	toUnix := s.isUnix(1 - from)
	switch {
	case errno == syscall.EAGAIN && from == outcome.B && toUnix:
		return untilLater // it is the peer's queue that is full, and no event tells when it has room
	case errno == syscall.EAGAIN:
		return untilWritable
	case pass.IsShortage(errno):
		return untilLater
	case !toUnix && !s.tried:
		s.tried = true // the system tells at a send what became of those before
		return tryAgain
	}
	s.tried = false
	if from == outcome.A && toUnix && pass.IsGone(errno) {
		return sessionOver
	}
	err := s.sendError(from, errno)
	if errno == syscall.EMSGSIZE {
		s.refuse(from, p.count(), err)
		return skipIt
	}
	s.report(err, errno.Error())
	s.drop(from, p.count(), errno.Error())
	return skipIt
}

// lost ends a session whose far socket has lost its peer.
func (s *session) lost(errno syscall.Errno) {
	err := s.sendError(outcome.A, errno)
	s.report(err, goneText)
	s.end(outcome.Failed, err)
}

// sendError is as package socket's would be.
func (s *session) sendError(from outcome.Side, errno syscall.Errno) error {
	v := s.snapshot()
	source, peer := v.Local, v.Target
	if from == outcome.B {
		source, peer = v.Near, v.Peer
	}
	k := socket.Kind{Domain: source.Domain(), Type: socket.Datagram}
	return &net.OpError{Op: "send", Net: k.String(), Source: source.NetAddr(k), Addr: peer.NetAddr(k), Err: os.NewSyscallError("sendmmsg", errno)}
}

// isPassing reports whether an errno is about something that was sent, and not
// about the socket that reports it.
func isPassing(errno syscall.Errno) bool {
	return pass.IsPassing(errno) || errno == syscall.EOPNOTSUPP || errno == syscall.EMSGSIZE || errno == syscall.EACCES
}

// hold keeps a piece until it can leave.
func (s *session) hold(from outcome.Side, p piece) {
	e, m := s.near.e, s.extra()
	if from == outcome.A && s.fd < 0 {
		switch {
		case m.failure != nil && !s.redial():
			s.drop(from, p.count(), "the far socket could not be opened")
			return
		case e.dial.held+len(p.data) > mostHeldDialing:
			s.drop(from, p.count(), "too much is waiting for far sockets to connect")
			return
		}
	}
	m.held[from].Put(p.data, p.segment)
	if from == outcome.A {
		s.account()
	} else {
		s.read(false)
	}
}

// account tells the engine how much is held of what the peer sent.
func (s *session) account() {
	e, m := s.near.e, s.more
	size := m.held[outcome.A].Size()
	less := size < m.accounted
	if s.fd < 0 {
		e.dial.held += size - m.accounted
	} else {
		e.held += size - m.accounted
	}
	m.accounted = size
	if full := s.fd >= 0 && size > mostHeldBySession; full != s.full {
		s.full = full
		if full {
			s.near.full++
		} else {
			s.near.full--
		}
	}
	for _, n := range e.nears {
		if less && !n.reading {
			n.adjust()
		}
	}
}

// resume goes on with what is held, and with reading the far socket.
func (s *session) resume() {
	if s.fd < 0 {
		return
	}
	if s.more != nil {
		s.sendHeld(outcome.A)
	}
	if s.more != nil && !s.over {
		s.sendHeld(outcome.B)
	}
	if s.over || s.blocked[outcome.B] || s.more != nil && !s.more.held[outcome.B].Empty() {
		return
	}
	switch {
	case s.finished:
		s.end(outcome.Finished, nil)
		return
	case s.mayPass(outcome.B):
		s.read(true)
	default:
		s.waitForRate()
	}
	s.trim()
}

// sendHeld sends what is held from a side, for as long as it may.
func (s *session) sendHeld(from outcome.Side) {
	e, q := s.near.e, &s.more.held[from]
	fd, d, most := int(s.fd), s.ahead(), mostBatch
	if from == outcome.B {
		fd, d = s.near.fd, &s.near.back
	}
	if e.limited() {
		most = 1 // so that the rates see each
	}
	for !q.Empty() && !s.blocked[from] {
		if !s.mayPass(from) {
			s.waitForRate()
			break
		}
		pieces := q.peek(e.pieces[:0:most], s)
		at, errno := e.outbox.send(fd, pieces, d)
		if at != (place{}) {
			s.touch(e.loop.Now())
		}
		failed := piece{}
		if errno != 0 {
			failed = pieces[at.piece]
			failed.data = failed.data[at.at:]
		}
		q.take(at.piece, at.at)
		if errno == 0 {
			continue
		}
		verdict := s.failed(from, &failed, errno)
		switch verdict {
		case skipIt:
			q.take(1, 0)
			continue
		case tryAgain:
			continue
		case untilWritable:
			s.block(from)
		case untilLater:
			e.wait(s)
		case sessionOver:
			s.lost(errno) // and what is held
			return
		}
		break
	}
	if from == outcome.A {
		s.account()
	}
}

// waitForRate waits until the rates let something pass, which is not idle.
func (s *session) waitForRate() {
	s.touch(s.near.e.loop.Now())
	s.near.e.wait(s)
}

// block makes messages from a side wait until their socket can be written to.
func (s *session) block(from outcome.Side) {
	if s.blocked[from] || s.over {
		return
	}
	s.blocked[from] = true
	if from == outcome.A {
		s.change()
	} else {
		s.near.blocked = append(s.near.blocked, s)
		s.near.adjust()
	}
}
