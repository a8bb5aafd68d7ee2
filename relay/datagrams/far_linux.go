package datagrams

import (
	"net"
	"os"
	"syscall"

	"zocalo/internal/pass"
	"zocalo/internal/poll"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// Ready implements poll.Handler, for the far socket.
func (s *session) Ready(events poll.Events) {
	if events&poll.HungUp != 0 && !s.reading {
		// The loop would tell that again and again.
		s.near.e.loop.Remove(int(s.fd))
		s.out = true
		return
	}
	if events&poll.Failed != 0 {
		if s.takeErrors(); s.fd < 0 {
			return // on to another target
		}
	}
	if events&poll.Writable != 0 && !s.over && s.blocked[outcome.A] {
		s.blocked[outcome.A] = false
		s.change()
		s.resume()
		s.near.adjust()
	}
	if events&(poll.Readable|poll.HungUp) != 0 && !s.over && s.reading {
		s.receive()
	}
}

// read sets whether the far socket is read.
func (s *session) read(on bool) {
	if s.reading != on && s.fd >= 0 {
		s.reading = on
		s.change()
	}
}

// change makes the loop tell of the events that the far socket is waited for.
func (s *session) change() {
	e, change := s.near.e, s.near.e.loop.Change
	if s.out {
		if !s.reading {
			return
		}
		s.out = false
		change = func(fd int, events poll.Events) error { return e.loop.Add(fd, events, s) }
	}
	if err := change(int(s.fd), events(s.reading, s.blocked[outcome.A])); err != nil {
		e.fail(err)
	}
}

// receive takes one batch of messages for the peer, which leave at the end of
// the turn.
func (s *session) receive() {
	n := s.near
	e := n.e
	if !s.mayPass(outcome.B) {
		s.read(false)
		s.waitForRate()
		return
	}
	most := min(int(s.want), e.inbox.slots())
	if e.inbox.used+most > e.inbox.slots() {
		e.flush()
		if !s.reading || s.over {
			return
		}
	}
	first := e.inbox.used
	got, errno := e.inbox.receive(int(s.fd), most)
	if errno != 0 {
		s.receiveFailed(errno)
		return
	}
	s.want = uint8(nextWant(most, got))
	if s.keeps || s.more != nil && s.more.refused != nil {
		s.answered()
	}
	s.touch(e.loop.Now())
	if !e.limited() {
		e.inbox.used += got
	}
	for i := first; i < first+got; i++ {
		p := e.inbox.parcel(i)
		if s.connected && p.ends {
			n.flush()
			s.finished = true
			s.read(false)
			s.resume()
			return
		}
		switch {
		case !s.admits(outcome.B, &p):
		case e.limited():
			s.hold(outcome.B, piece{p.data, p.segment, s})
		default:
			n.answer(piece{p.data, p.segment, s})
		}
	}
	if e.limited() {
		s.resume()
	}
}

func (s *session) receiveFailed(errno syscall.Errno) {
	err := func() error {
		v := s.snapshot()
		k := socket.Kind{Domain: v.Local.Domain(), Type: socket.Datagram}
		return &net.OpError{Op: "receive", Net: k.String(), Source: v.Local.NetAddr(k), Addr: v.Target.NetAddr(k), Err: os.NewSyscallError("recvmmsg", errno)}
	}
	switch {
	case errno == syscall.EAGAIN:
	case s.connected && pass.IsGone(errno):
		s.end(outcome.Reset, err())
	case isPassing(errno) && !s.unix:
		// The queue of errors tells more of it.
	default:
		s.report(err(), errno.Error())
		s.read(false)
		s.near.e.wait(s)
	}
}
