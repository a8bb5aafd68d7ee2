package datagrams

import (
	"time"

	"zocalo/internal/sys"
	"zocalo/relay"
	"zocalo/socket"
)

// A session is a peer and its far socket. It is kept small, since most of many
// are idle: what only few need is in more.
type session struct {
	near       *near
	number     int64
	peer       string   // its name in the system's octets, then as many as near.local of our own address
	next, prev *session // in recent
	began      time.Duration
	last       time.Duration // when something passed
	flows      [2]flow       // by the side that they come from
	more       *more
	errors     uint32
	fd         int32   // of the far socket; -1 while there is none
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
	over       bool
}

// A flow is a relay.Flow in short.
type flow struct {
	octets, messages int64
	refused, dropped uint32
}

// more is what a session has only while it needs it.
type more struct {
	held      [2]queue // by the side that they come from
	accounted int      // of what is held from the peer, what the engine knows of
	bucket    [2]bucket
	far       *socket.Socket // whose closing does more than close(2)
	cancel    func()         // of a Dial that goes on
	failure   error          // of Dial
	again     time.Duration  // when to dial again after it
	pause     time.Duration  // before that
}

func (s *session) extra() *more {
	if s.more == nil {
		s.more = &more{}
	}
	return s.more
}

// trim lets go of what is not needed any more.
func (s *session) trim() {
	if m := s.more; m != nil && m.held[0].empty() && m.held[1].empty() && m.far == nil && m.failure == nil && m.cancel == nil && s.near.e.Rate <= 0 {
		s.more = nil
	}
}

// begin begins the session of a peer, and has its far socket dialed.
func (e *engine) begin(n *near, peer string, now time.Duration) *session {
	s := &session{near: n, number: e.totals.sessions.Add(1), peer: peer, began: now, last: now, fd: -1, head: -1, want: firstWant}
	n.sessions[peer] = s
	e.recent.add(s)
	e.totals.open.Add(1)
	if !e.idleTimer.Armed() {
		e.watchIdle()
	}
	e.dialFor(s)
	return s
}

// end ends a session. What it holds is lost.
func (s *session) end(how relay.How, err error) {
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
	e.recent.remove(s)
	e.totals.open.Add(-1)
	if m := s.more; m != nil {
		if m.cancel != nil {
			m.cancel()
		}
		for side := range m.held {
			s.drop(relay.Side(side), m.held[side].count(), "the session ended before they could leave")
			m.held[side] = queue{}
		}
		s.account()
	}
	if e.OnEnd != nil {
		end := s.snapshot()
		end.Result.How, end.Err = how, err
		if how == relay.Failed || how == relay.Reset {
			end.Result.Side = relay.B
		}
		e.OnEnd(end)
	}
	s.closeFar()
	if e.draining && e.recent.len == 0 {
		e.finish()
	}
}

func (s *session) closeFar() {
	switch e := s.near.e; {
	case s.fd < 0:
	case s.more != nil && s.more.far != nil:
		e.loop.Remove(int(s.fd))
		s.more.far.Close()
	default:
		e.loop.CloseFD(int(s.fd))
	}
	s.fd = -1
}

// isUnix reports whether the socket on a side is in the domain unix.
func (s *session) isUnix(side relay.Side) bool {
	if side == relay.A {
		return s.near.socket.Domain() == socket.Unix
	}
	return s.unix
}

// touch notes that something passed.
func (s *session) touch(now time.Duration) {
	if s.over {
		return
	}
	s.last = now
	s.near.e.recent.touch(s)
}

func (s *session) name() socket.Name { return socket.SockaddrName([]byte(s.sockaddr())) }

func (s *session) sockaddr() string { return s.peer[:len(s.peer)-s.near.local] }

// appendSource appends the item that makes a message come from the address that
// the peer has sent to.
func (s *session) appendSource(control []byte) []byte {
	switch local := s.peer[len(s.peer)-s.near.local:]; len(local) {
	case 4:
		return sys.AppendPacketInfo(control, 0, [4]byte([]byte(local)))
	case 16:
		return sys.AppendPacketInfo6(control, 0, [16]byte([]byte(local)))
	}
	return control
}

// snapshot is the session as others see it.
func (s *session) snapshot() Session {
	v := Session{Number: s.number, Peer: s.name(), Near: s.near.name, Errors: int64(s.errors)}
	v.Result.Duration = s.near.e.loop.Now() - s.began
	for side := range s.flows {
		f := &s.flows[side]
		v.Result.From[side] = relay.Flow{Octets: f.octets, Messages: f.messages, Refused: int64(f.refused)}
		v.Dropped[side] = int64(f.dropped)
	}
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
func (s *session) admits(from relay.Side, p *parcel) bool {
	e := s.near.e
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
	s.refuse(from, datagramsIn(p.size, p.segment), &relay.TooLongError{Limit: e.maxMessage()})
	return false
}

// refuse counts messages that are too long.
func (s *session) refuse(from relay.Side, n int64, why error) {
	e := s.near.e
	s.flows[from].refused += uint32(n)
	e.totals.refused[from].Add(n)
	if e.trouble.begins("refused", e.loop.Now()) {
		e.log.Warn("a message was refused; further ones are counted", "peer", s.name(), "from", sides[from], "error", why)
	}
}

// drop counts messages that are lost.
func (s *session) drop(from relay.Side, n int64, why string) {
	if n == 0 {
		return
	}
	e := s.near.e
	s.flows[from].dropped += uint32(n)
	e.totals.dropped[from].Add(n)
	if e.trouble.begins(why, e.loop.Now()) {
		e.log.Warn("messages were lost; further ones are counted", "peer", s.name(), "from", sides[from], "messages", n, "reason", why)
	}
}

var sides = [2]string{"the peer", "the far side"}

// report passes on what the network, or the system, said about the session.
func (s *session) report(err error, reason string) {
	e := s.near.e
	s.errors++
	e.totals.errors.Add(1)
	if e.trouble.begins(reason, e.loop.Now()) {
		e.log.Warn("a session met an error; further ones like it are counted", "peer", s.name(), "error", err)
	}
	if e.OnError != nil {
		e.OnError(s.snapshot(), err)
	}
}

// passed counts what has left.
func (s *session) passed(from relay.Side, messages int64, octets int) {
	e, f := s.near.e, &s.flows[from]
	s.tried = false
	f.messages += messages
	f.octets += int64(octets)
	e.totals.messages[from].Add(messages)
	e.totals.octets[from].Add(int64(octets))
	if e.limited() {
		now := e.loop.Now()
		if e.Rate > 0 {
			s.extra().bucket[from].spend(e.Rate, int64(octets), now)
		}
		if e.TotalRate > 0 {
			e.total.spend(e.TotalRate, int64(octets), now)
		}
	}
}

// mayPass reports whether the rates let something pass.
func (s *session) mayPass(from relay.Side) bool {
	e := s.near.e
	if e.Rate > 0 && s.more != nil && s.more.bucket[from].inDebt(e.Rate, e.loop.Now()) {
		return false
	}
	return !e.broke()
}
