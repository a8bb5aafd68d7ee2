package datagrams

import (
	"os"
	"syscall"
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// mostErrors is how many entries of a queue of errors are taken at once.
const mostErrors = 64

// queuedErrors takes what came back of messages sent through fd, from the queue
// of errors that udp has, and tells of the ICMP messages among it: to whom the
// message was that each is about, in the system's bytes. What this machine
// itself found wrong the send has told. It returns how many entries there were.
func (e *engine) queuedErrors(fd int, tell func(about []byte, q *socket.QueuedError)) (took int) {
	for ; took < mostErrors; took++ {
		m := &e.errorMessage
		m.Control = e.errorControl[:]
		if _, errno := sys.RawRecvmsg(fd, m, sys.ErrorQueue|sys.DontWait); errno != 0 {
			break
		}
		for c, rest, ok := sys.NextCmsg(m.Control); ok; c, rest, ok = sys.NextCmsg(rest) {
			if sys.What(c) != sys.ExtendedErrorItem {
				continue
			}
			var offender sys.Sockaddr
			x, ok := sys.CmsgError(c, &offender)
			if origin := socket.ErrorOrigin(x.Origin); ok && (origin == socket.FromICMP || origin == socket.FromICMPv6) {
				tell(m.Name.Buf[:m.Name.Len], &socket.QueuedError{Origin: origin, Errno: syscall.Errno(x.Errno), Type: x.Type, Code: x.Code,
					Info: x.Info, Data: x.Data, Offender: socket.SockaddrName(offender.Buf[:offender.Len])})
			}
		}
	}
	return took
}

// reason is the kind of trouble that an ICMP message is.
func reason(q *socket.QueuedError) string { return q.Origin.String() + " " + q.Errno.Error() }

// takeErrors takes the errors of the far socket.
func (s *session) takeErrors() {
	e := s.near.e
	unreachable := false
	if !s.unix && e.queuedErrors(int(s.fd), func(_ []byte, q *socket.QueuedError) {
		s.report(q, reason(q))
		unreachable = unreachable || pass.IsUnreachable(q.Errno)
	}) > 0 {
		if unreachable && e.HasOthers {
			s.refused()
		}
		return
	}
	// One that is in no queue: asking for it takes it away.
	n, errno := sys.GetInt(int(s.fd), sys.SOL_SOCKET, sys.SO_ERROR)
	if errno != 0 || n == 0 {
		return
	}
	err := os.NewSyscallError("SO_ERROR", syscall.Errno(n))
	if s.unix && pass.IsGone(syscall.Errno(n)) {
		s.end(outcome.Reset, err)
		return
	}
	s.report(err, err.Error())
}

// takeErrors takes the errors of a near socket, which has a queue for them
// where the option recverr was set.
func (n *near) takeErrors() {
	e := n.e
	e.queuedErrors(n.fd, func(about []byte, q *socket.QueuedError) {
		if s := n.sessionWith(about); s != nil {
			s.report(q, reason(q))
			return
		}
		e.unattributed(n, q, reason(q))
	})
}

// sessionWith returns a session with the peer of that name, or nil. Where the
// socket has several addresses there may be one for each that the peer asked,
// and the error does not say which: it is told to one of them.
func (n *near) sessionWith(peer []byte) *session {
	if n.local == 0 {
		return n.sessions[string(peer)]
	}
	for key, s := range n.sessions {
		if len(key) == len(peer)+n.local && key[:len(peer)] == string(peer) {
			return s
		}
	}
	return nil
}

// unattributed counts an error that belongs to no session that is known.
func (e *engine) unattributed(n *near, err error, reason string) {
	e.totals.errors.Add(1)
	if e.trouble.Begins("near "+reason, time.Now()) {
		e.log.Warn("an error was reported for a datagram sent to an unknown peer; further ones like it are counted", "socket", n.name, "error", err)
	}
}
