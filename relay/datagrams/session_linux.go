package datagrams

import (
	"net/netip"
	"slices"
	"time"

	"zocalo/internal/accept"
	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A session is a peer and its far socket. It is kept small, since most of many
// are idle: what only few need is in more.
type session struct {
	near       *near
	number     int64
	peer       string // its name in the system's bytes, then as many as near.local of our own address
	place      pass.Entry[*session]
	began      time.Duration
	flows      [2]outcome.Flow // by the side that they come from
	more       *more
	errors     uint32
	fd         int32   // of the far socket; -1 while there is none
	link       int32   // the interface by which answers leave; 0 is the system's choice
	head, tail int8    // the first and last of its pieces in the engine's batch; head is -1 where there are none
	want       uint8   // messages to ask the far socket for at once
	blocked    [2]bool // by the side that they come from: messages wait until a socket can be written to
	reading    bool    // the far socket is read
	listed     bool    // it is among those that have got something in the batch
	waits      bool    // it is among those that wait for time to pass
	full       bool    // it keeps its near socket from being read
	tried      bool    // the last send failed, perhaps for what was sent before
	unix       bool    // the far socket is in the domain unix
	connected  bool    // the far socket has a connection, which may end
	finished   bool    // the far socket has sent all: the session ends when that has left
	out        bool    // the far socket is not in the loop
	keeps      bool    // what the peer sends is kept, to be sent to another target
	unnamed    bool    // the peer has no name to be answered at
	over       bool
}

// more is what a session has only while it needs it.
type more struct {
	held      [2]queue         // by the side that they come from
	accounted int              // of what is held from the peer, what the engine knows of
	paid      [2]time.Duration // for what passed at the rate, until then, by the side that it came from
	far       *socket.Socket   // whose closing does more than close(2)
	cancel    func()           // of a Dial that goes on
	failure   error            // of Dial
	again     time.Duration    // when to dial again after it
	pause     time.Duration    // before that
	kept      queue            // what the peer has sent before the first answer, with keeps
	refused   []socket.Name    // the targets that have, since the last answer
}

func (s *session) extra() *more {
	if s.more == nil {
		s.more = &more{}
	}
	return s.more
}

// trim lets go of what is not needed any more.
func (s *session) trim() {
	if m := s.more; m != nil && m.held[0].Empty() && m.held[1].Empty() && m.far == nil && m.failure == nil && m.cancel == nil && m.kept.Empty() && m.refused == nil && s.near.e.Rate <= 0 {
		s.more = nil
	}
}

// begin begins the session of a peer, and has its far socket dialed.
func (e *engine) begin(n *near, peer string, link int, addr netip.Addr, now time.Duration) *session {
	s := &session{near: n, number: e.totals.sessions.Add(1), peer: peer, began: now, fd: -1, head: -1, want: firstWant, link: int32(link), keeps: e.HasOthers}
	s.unnamed = s.name().IsUnnamed()
	n.sessions[peer] = s
	s.place.Session = s
	e.recent.Add(&s.place, addr, now)
	e.totals.open.Add(1)
	if limit := e.idleLimit(); limit > 0 && !e.idleTimer.Armed() {
		e.loop.Arm(&e.idleTimer, limit, e)
	}
	if e.OnNew != nil {
		e.OnNew(s.snapshot())
	}
	e.dialFor(s)
	return s
}

// end ends a session. What it holds is lost.
func (s *session) end(how outcome.EndReason, err error) {
	n := s.near
	e := n.e
	n.flush() // its answers too
	if s.head >= 0 {
		s.forward()
	}
	if s.over { // so forward has found
		return
	}
	s.over = true
	delete(n.sessions, s.peer)
	if len(e.dial.queue) > 0 {
		// Those that gave way must not wait for a Dial, else peers that come
		// while all Dials hang make the queue grow.
		e.dial.queue = slices.DeleteFunc(e.dial.queue, func(x *session) bool { return x == s })
	}
	e.recent.Remove(&s.place)
	e.totals.open.Add(-1)
	if m := s.more; m != nil {
		if m.cancel != nil {
			m.cancel()
		}
		for side := range m.held {
			n, _ := m.held[side].count()
			s.drop(outcome.Side(side), n, "the session ended before they could be sent")
			m.held[side] = queue{}
		}
		s.account()
		s.unkeep()
	}
	if e.OnEnd != nil {
		end := s.snapshot()
		end.Result.How, end.Err = how, err
		if how == outcome.Failed || how == outcome.Reset {
			end.Result.Side = outcome.B
		}
		e.OnEnd(end)
	}
	s.closeFar(err == ErrMadeRoom)
	if e.draining && e.recent.Len() == 0 {
		e.finish()
	}
}

// closeFar closes the far socket; the port rests where answers may still come.
func (s *session) closeFar(rest bool) {
	switch e := s.near.e; {
	case s.fd < 0:
	case s.more != nil && s.more.far != nil:
		e.loop.Remove(int(s.fd))
		s.more.far.Close()
	case rest && !s.unix:
		e.loop.Remove(int(s.fd))
		sys.SetInt(int(s.fd), sys.SOL_SOCKET, sys.SO_RCVBUF, 1) // nobody reads what comes
		e.resting.Put(descriptor(s.fd))
	default:
		e.loop.CloseFD(int(s.fd))
	}
	s.fd = -1
}

// A descriptor is that of a far socket that rests.
type descriptor int

func (d descriptor) Close() error {
	sys.Close(int(d))
	return nil
}

// isUnix reports whether the socket on a side is in the domain unix.
func (s *session) isUnix(side outcome.Side) bool {
	if side == outcome.A {
		return s.near.socket.Domain() == socket.Unix
	}
	return s.unix
}

// touch notes that something passed.
func (s *session) touch(now time.Duration) {
	if !s.over {
		s.near.e.recent.Touch(&s.place, now)
	}
}

func (s *session) name() socket.Name { return socket.SockaddrName([]byte(s.sockaddr())) }

// peerText names the peer for the log.
func (s *session) peerText() string { return accept.NameText(s.name(), nil) }

func (s *session) sockaddr() string { return s.peer[:len(s.peer)-s.near.local] }

// appendSource appends the item that makes a message come from the address and
// by the interface that the peer has sent to.
func (s *session) appendSource(control []byte) []byte {
	switch local := s.peer[len(s.peer)-s.near.local:]; len(local) {
	case 4:
		return sys.AppendPacketInfo(control, int(s.link), [4]byte([]byte(local)))
	case 16:
		return sys.AppendPacketInfo6(control, int(s.link), [16]byte([]byte(local)))
	}
	return control
}

// snapshot is the session as others see it.
func (s *session) snapshot() Session {
	v := Session{Number: s.number, Peer: s.name(), Near: s.near.name, Errors: int64(s.errors)}
	v.Result.Duration = s.near.e.loop.Now() - s.began
	v.Result.From = s.flows
	if s.fd >= 0 {
		var a sys.Sockaddr
		if sys.Getsockname(int(s.fd), &a) == 0 {
			v.Local = socket.SockaddrName(a.Buf[:a.Len])
		}
		if sys.Getpeername(int(s.fd), &a) == 0 {
			v.Target = socket.SockaddrName(a.Buf[:a.Len])
		}
	}
	return v
}

// admits reports whether a message is to be passed on, and counts it if not.
func (s *session) admits(from outcome.Side, p *parcel) bool {
	e := s.near.e
	if from == outcome.B && s.unnamed {
		s.drop(from, datagramsIn(p.size, p.segment), "the peer has no name to answer to: its program must bind its socket")
		return false
	}
	if p.files && s.isUnix(from) {
		s.refuse(from, 1, socket.ErrDescriptorsRefused)
		return false
	}
	size := p.size
	if p.segment > 0 {
		size = p.segment
	}
	if size <= e.maxMessage() && p.size == len(p.data) {
		return true
	}
	s.refuse(from, datagramsIn(p.size, p.segment), &join.TooLongError{Limit: e.maxMessage()})
	return false
}

// refuse counts messages that are too long.
func (s *session) refuse(from outcome.Side, n int64, why error) {
	e := s.near.e
	s.flows[from].Refused += uint32(n)
	e.totals.refused[from].Add(n)
	if e.trouble.Begins("refused", time.Now()) {
		e.log.Warn("a message was refused; further ones are counted", "peer", s.peerText(), "from", sides[from], "error", why)
	}
}

// drop counts messages that are lost.
func (s *session) drop(from outcome.Side, n int64, why string) {
	if n == 0 {
		return
	}
	e := s.near.e
	s.flows[from].Dropped += uint32(n)
	e.totals.dropped[from].Add(n)
	if e.trouble.Begins(why, time.Now()) {
		e.log.Warn("messages were lost; further ones are counted", "peer", s.peerText(), "from", sides[from], "messages", n, "reason", why)
	}
}

var sides = [2]string{"the peer", "the far side"}

// report passes on what the network, or the system, said about the session.
func (s *session) report(err error, reason string) {
	e := s.near.e
	s.errors++
	e.totals.errors.Add(1)
	if e.trouble.Begins(reason, time.Now()) {
		e.log.Warn("a session met an error; further ones like it are counted", "peer", s.peerText(), "error", err)
	}
	if e.OnError != nil {
		e.OnError(s.snapshot(), err)
	}
}

// passed counts what has left.
func (s *session) passed(from outcome.Side, messages int64, bytes int) {
	e, f := s.near.e, &s.flows[from]
	s.tried = false
	f.Messages += messages
	f.Bytes += int64(bytes)
	e.totals.messages[from].Add(messages)
	e.totals.bytes[from].Add(int64(bytes))
	if e.OnPassed != nil {
		e.OnPassed(s.number, from, bytes, int(messages))
	}
	if e.limited() {
		now := e.loop.Now()
		if e.Rate > 0 {
			paid := &s.extra().paid[from]
			*paid = pass.Pay(*paid, now, bytes, e.Rate)
		}
		if e.TotalRate > 0 {
			e.paid = pass.Pay(e.paid, now, bytes, e.TotalRate)
		}
	}
}

// mayPass reports whether the rates let something pass.
func (s *session) mayPass(from outcome.Side) bool {
	e := s.near.e
	if e.Rate > 0 && s.more != nil && s.more.paid[from] > e.loop.Now() {
		return false
	}
	return !e.broke()
}
