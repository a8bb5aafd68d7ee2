package datagrams

import (
	"slices"
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// keep keeps a message of the peer's until an answer comes, where there is
// room: it may be sent to another target.
func (s *session) keep(p piece) {
	e, m := s.near.e, s.extra()
	size := len(p.data) + pass.QueueHeader
	if m.kept.Size() > 0 && m.kept.Size()+size > mostKeptBySession || e.kept+size > mostKept {
		s.unkeep()
		return
	}
	e.kept += size
	m.kept.Put(p.data, p.segment)
}

// unkeep keeps nothing any more.
func (s *session) unkeep() {
	s.keeps = false
	if m := s.more; m != nil {
		s.near.e.kept -= m.kept.Size()
		m.kept = queue{}
	}
}

// answered notes that the target is there.
func (s *session) answered() {
	s.unkeep()
	if m := s.more; m != nil {
		m.refused, m.pause = nil, 0
	}
}

// refused goes on to another target, since the one that the far socket is
// connected to cannot be reached.
func (s *session) refused() {
	e := s.near.e
	if s.over || s.fd < 0 || s.unix {
		return
	}
	s.near.flush() // its answers
	if s.over || s.fd < 0 {
		return
	}
	m := s.extra()
	if e.loop.Now() < m.again {
		e.kept -= m.kept.Size() // it was sent to all of them
		m.kept = queue{}
		return
	}
	var a sys.Sockaddr
	if sys.Getpeername(int(s.fd), &a) == 0 {
		m.refused = append(slices.Clip(m.refused), socket.SockaddrName(a.Buf[:a.Len])) // Dial may have the slice still
	}
	s.closeFar(false)
	m.far = nil
	s.blocked[outcome.A], s.reading, s.out = false, false, false

	// What is kept waits once more, and has not passed.
	if waits := &m.held[outcome.A]; s.keeps {
		f := &s.flows[outcome.A]
		kept, keptData := m.kept.count()
		waiting, waitingData := waits.count()
		messages := min(kept-waiting, f.Messages)
		bytes := min(int64(keptData-waitingData), f.Bytes)
		f.Messages -= messages
		f.Bytes -= bytes
		e.totals.messages[outcome.A].Add(-messages)
		e.totals.bytes[outcome.A].Add(-bytes)
		*waits = queue{m.kept.Clone()}
	} else {
		m.kept, s.keeps = queue{waits.Clone()}, true
		e.kept += m.kept.Size()
	}
	e.held -= m.accounted
	m.accounted = 0
	s.account()
	e.dialFor(s)
}

// dialedAgain notes whom the far socket is connected to now. One that has
// refused before says that all have: the next round begins after a pause.
func (s *session) dialedAgain(target socket.Name) {
	m, e := s.more, s.near.e
	switch {
	case m.refused == nil:
		m.pause = 0
	case slices.Contains(m.refused, target):
		m.refused = []socket.Name{}
		m.pause = roundBackoff.After(m.pause)
		m.again = e.loop.Now() + m.pause
	case e.trouble.Begins("another target", time.Now()):
		e.log.Info("a target could not be reached; using another", "peer", s.peerText(), "target", target)
	}
}
