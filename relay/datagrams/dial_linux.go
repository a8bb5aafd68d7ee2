package datagrams

import (
	"context"
	"strings"
	"sync"
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

// dialing is the work that may wait, and so is done beside the loop.
type dialing struct {
	ctx     context.Context
	workers sync.WaitGroup

	active int        // goroutines
	queue  []*session // that wait for one
	held   int        // bytes in the queues of sessions without a far socket
}

const mostDials = 32

var (
	dialBackoff  = pass.Backoff{First: 100 * time.Millisecond, Last: 5 * time.Second}
	roundBackoff = pass.Backoff{First: 100 * time.Millisecond, Last: time.Second} // before a session tries its targets once more
)

// A far is a far socket on its way from Dial to its session.
type far struct {
	socket    *socket.Socket
	trains    bool // the system sends them
	unix      bool
	connected bool
}

// dialFor has the far socket of a session made.
func (e *engine) dialFor(s *session) {
	if e.dial.active == mostDials {
		e.dial.queue = append(e.dial.queue, s)
		return
	}
	e.dial.active++
	of := s.snapshot()
	ctx, cancel := context.WithCancel(e.dial.ctx)
	m := s.extra()
	m.cancel = cancel
	refused := m.refused
	e.dial.workers.Go(func() {
		defer cancel()
		f, err := e.dialFar(ctx, of, refused)
		if !e.loop.Post(func() { e.dialed(s, f, err) }) && f.socket != nil {
			f.socket.Close()
		}
	})
}

// dialFar runs beside the loop.
func (e *engine) dialFar(ctx context.Context, of Session, refused []socket.Name) (f far, err error) {
	c, err := e.Dial(ctx, of, refused)
	if err != nil {
		return far{}, err
	}
	if err := TakesFar(c); err != nil {
		c.Close()
		return far{}, err
	}
	f = far{socket: c, unix: c.Domain() == socket.Unix, connected: c.Type() == socket.SeqPacket}
	if !f.unix {
		option.UDPGRO.Set(c, true)        // or they come one by one
		option.ReceiveErrors.Set(c, true) // or only some ICMP messages are told, without who sent them
		f.trains = sendsTrains(c)
	}
	return f, nil
}

// sendsTrains reports whether the system, as far as is known, sends trains
// through a udp socket: one that does not know them would send each as one long
// datagram.
func sendsTrains(s *socket.Socket) bool {
	d, ok := socket.As[socket.Descriptor](s)
	if !ok || !s.Offloads().Send.On {
		return false
	}
	_, errno := sys.GetInt(d.FD(), sys.IPPROTO_UDP, sys.UDP_SEGMENT) // Linux 4.18
	return errno == 0
}

// dialed takes what dialFor was to make.
func (e *engine) dialed(s *session, f far, err error) {
	e.dial.active--
	if s.more != nil {
		s.more.cancel = nil
	}
	for len(e.dial.queue) > 0 && e.dial.active < mostDials {
		next := e.dial.queue[0]
		e.dial.queue = e.dial.queue[1:]
		if !next.over {
			e.dialFor(next)
		}
	}
	switch {
	case s.over:
		if f.socket != nil {
			f.socket.Close()
		}
	case err != nil:
		s.undialed(err)
	default:
		s.join(f)
	}
}

// undialed drops what waited for the far socket. A message that comes when a
// pause is over has it dialed again.
func (s *session) undialed(err error) {
	e, m := s.near.e, s.extra()
	m.pause = dialBackoff.After(m.pause)
	m.failure, m.again = err, e.loop.Now()+m.pause
	n, _ := m.held[outcome.A].count()
	m.held[outcome.A] = queue{}
	s.account()
	s.report(err, err.Error())
	s.drop(outcome.A, n, "the far socket could not be opened")
}

// redial dials again, and reports so, where the pause is over.
func (s *session) redial() bool {
	m, e := s.more, s.near.e
	if e.loop.Now() < m.again {
		return false
	}
	m.failure = nil
	e.dialFor(s)
	return true
}

// join makes f the session's far socket.
func (s *session) join(f far) {
	e := s.near.e
	name, target := f.socket.Name(), f.socket.Peer()
	fd := -1
	if path := name.Path(); path != "" && !strings.HasPrefix(path, "@") {
		// Closing the socket takes its file away.
		d, _ := socket.As[socket.Descriptor](f.socket)
		fd = d.FD()
		s.extra().far = f.socket
	} else {
		var err error
		if fd, err = f.socket.Detach(); err != nil {
			f.socket.Close()
			s.undialed(err)
			return
		}
	}
	if err := e.loop.Add(fd, events(true, false), s); err != nil {
		if s.more != nil && s.more.far != nil {
			s.more.far.Close()
			s.more.far = nil
		} else {
			sys.Close(fd)
		}
		s.undialed(err)
		return
	}
	if m := s.more; m != nil {
		e.dial.held -= m.accounted
		m.accounted = 0
		s.dialedAgain(target)
	}
	s.fd, s.unix, s.connected, s.reading = int32(fd), f.unix, f.connected, true
	if s.unix {
		s.unkeep() // it has another way to go on: its sessions end
	}
	if !f.unix && !f.trains {
		e.ahead.trains = false
	}
	if s.more != nil {
		s.account()
	}
	if e.OnBegin != nil {
		e.OnBegin(s.snapshot())
	}
	s.resume()
	s.near.adjust()
}
