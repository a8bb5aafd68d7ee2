package datagrams

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/poll"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A near is a socket that peers send to.
type near struct {
	e        *engine
	socket   *socket.Socket
	fd       int
	name     socket.Name
	local    int                 // bytes of the address to answer from, where the socket has several; else 0
	sessions map[string]*session // by their peers
	want     int                 // messages to ask for at once
	overflow uint32              // messages dropped by the system, as it told last

	back     direction // from the far sockets to the peers
	answers  []piece   // to leave at the end of the turn
	promised bool      // that turn's end was asked for

	reading bool       // it is read
	writing bool       // it is waited for until it can be written to
	full    int        // sessions that hold so much that it is not read
	short   bool       // there was no memory to receive with
	blocked []*session // whose answers wait until it can be written to
}

// firstWant is how many messages a socket is asked for at first. The number
// doubles as long as that many come, since those that do not come cost a
// little too.
const firstWant = 4

func nextWant(want, got int) int {
	switch {
	case got == want:
		return min(2*want, mostBatch)
	case got < want/4:
		return want / 2
	}
	return want
}

func (e *engine) addNear(s *socket.Socket) error {
	d, _ := socket.As[socket.Descriptor](s)
	n := &near{e: e, socket: s, fd: d.FD(), name: s.Name(), sessions: map[string]*session{}, want: firstWant, reading: true}
	n.back = direction{from: outcome.B, refuse: e.refuser("to the peers of " + n.name.String())}
	if option.AnswerAsAsked(s, n.name) {
		n.local = n.name.AddrPort().Addr().BitLen() / 8
	}
	if s.Domain() != socket.Unix {
		option.UDPGRO.Set(s, true) // or they come one by one
		n.back.trains = sendsTrains(s)
	}
	option.ReceiveDropped.Set(s, true) // or what the system drops is not known
	widen(s)
	if err := e.loop.Add(n.fd, poll.Readable, n); err != nil {
		return fmt.Errorf("datagrams: %v cannot be waited for: %w", n.name, err)
	}
	e.nears = append(e.nears, n)
	return nil
}

// nearBuffer is what the receive buffer of a near socket is made to hold, in
// bytes: one queue for all peers. The system has its own bound for it
// (net.core.rmem_max).
const nearBuffer = 4 << 20

// widen makes the receive buffer larger, where it is what the system gives.
func widen(s *socket.Socket) {
	fresh, err := socket.New(s.Domain(), s.Type(), s.Protocol())
	if err != nil {
		return
	}
	defer fresh.Close()
	given, err1 := option.ReceiveBuffer.Get(fresh)
	has, err2 := option.ReceiveBuffer.Get(s)
	if err1 == nil && err2 == nil && has == given && has < nearBuffer {
		option.ReceiveBuffer.Set(s, nearBuffer)
	}
}

// turnEnd is no event: the end of a turn in which there were answers.
const turnEnd poll.Events = 0

// Ready implements poll.Handler.
func (n *near) Ready(events poll.Events) {
	if n.e.over {
		return
	}
	if events == turnEnd {
		n.promised = false
		n.e.flush()
		return
	}
	if events&poll.Failed != 0 {
		n.takeErrors()
	}
	if events&poll.Writable != 0 {
		n.unblock()
	}
	if events&(poll.Readable|poll.Failed) != 0 && n.reading {
		n.receive()
	}
}

// receive passes one batch of messages on.
func (n *near) receive() {
	e := n.e
	e.flush() // the answers that are in the inbox
	most := min(n.want, e.inbox.slots())
	got, errno := e.inbox.receive(n.fd, most)
	switch {
	case errno == 0:
		n.want = nextWant(most, got)
		n.distribute(got)
	case errno == syscall.EAGAIN:
	case pass.IsShortage(errno):
		n.short = true
		e.startTick()
		if e.trouble.Begins("receiving", time.Now()) {
			e.log.Warn("receiving is paused until the system has memory again", "socket", n.name, "error", errno)
		}
	case isPassing(errno):
		e.unattributed(n, errno, errno.Error())
	default:
		e.fail(&net.OpError{Op: "receive", Net: n.socket.Kind().String(), Source: n.socket.LocalAddr(), Err: os.NewSyscallError("recvmmsg", errno)})
		return
	}
	n.adjust()
}

// distribute gives the messages of the inbox to their sessions, and sends on
// what each has got.
func (n *near) distribute(got int) {
	e := n.e
	now := e.loop.Now()
	var last *session
	for i := range got {
		p := e.inbox.parcel(i)
		if p.overflow != 0 {
			n.overflowed(p.overflow)
		}
		s := last
		if peer := n.peer(i, &p); s == nil || s.peer != string(peer) || s.over {
			if s = n.session(peer, p.link, now); s == nil {
				continue
			}
			last = s
		}
		s.touch(now)
		if s.admits(outcome.A, &p) {
			s.gather(i, piece{p.data, p.segment, s})
		}
	}
	for i, s := range e.gathered {
		e.gathered[i] = nil
		s.forward()
	}
	e.gathered = e.gathered[:0]
}

// peer returns what tells the peers apart: the name of whoever sent what a slot
// holds, in the system's bytes, and the address of ours to answer from.
func (n *near) peer(slot int, p *parcel) []byte {
	name := n.e.inbox.sender(slot)
	if n.local == 0 {
		return name
	}
	n.e.peer = append(n.e.peer[:0], name...)
	switch len(p.local) {
	case n.local:
	case 4: // to an IPv6 socket, which has it mapped
		n.e.peer = append(n.e.peer, mapped...)
	default:
		return append(n.e.peer, make([]byte, n.local)...) // the system's choice
	}
	return append(n.e.peer, p.local...)
}

// mapped is what comes before an IPv4 address in an IPv6 one (RFC 4291, section
// 2.5.5.2).
var mapped = []byte{10: 0xff, 11: 0xff}

// session returns the session of a peer, which it begins if there is none; nil
// where there must be none. The link is the interface to answer by.
func (n *near) session(peer []byte, link int, now time.Duration) *session {
	if s := n.sessions[string(peer)]; s != nil {
		return s
	}
	e := n.e
	name := socket.SockaddrName(peer[:len(peer)-n.local])
	if why := n.refusal(name); why != "" {
		e.totals.turnedAway.Add(1)
		if e.trouble.Begins("turned away", time.Now()) {
			e.log.Info("message rejected; further ones are not logged", "socket", n.name, "peer", name, "reason", why)
		}
		return nil
	}
	if e.draining {
		return nil
	}
	if n.name.IsSelf(name) {
		e.totals.turnedAway.Add(1)
		if e.trouble.Begins("own name", time.Now()) {
			e.log.Warn("a message with the relay's own address as its sender was dropped; further ones are counted", "socket", n.name, "peer", name)
		}
		return nil
	}
	addr := name.Subscriber()
	if x := e.recent.GivesWay(addr); x != nil {
		if e.recent.Crowded() && e.trouble.Begins("crowded", time.Now()) {
			e.log.Warn("the maximum number of sessions is open: new ones replace the longest idle", "sessions", e.recent.Len())
		}
		e.totals.madeRoom.Add(1)
		x.Session.end(outcome.Cancelled, ErrMadeRoom)
	}
	return e.begin(n, string(peer), link, addr, now)
}

func (n *near) refusal(peer socket.Name) string {
	e := n.e
	why := server.Lists{Allow: e.Allow, Deny: e.Deny}.RefusesName(peer, nil)
	if why == "" && e.Admit != nil {
		if err := e.Admit(n.name, peer); err != nil {
			return err.Error()
		}
	}
	return why
}

func (n *near) overflowed(total uint32) {
	more := total - n.overflow
	if more == 0 {
		return
	}
	n.overflow = total
	n.e.totals.overflowed.Add(int64(more))
	if n.e.trouble.Begins("overflow", time.Now()) {
		n.e.log.Warn("the system dropped messages that came faster than they were read: a larger receive buffer (rcvbuf=) holds longer bursts",
			"socket", n.name, "messages", more)
	}
}

// adjust makes the loop tell of the events that the socket is waited for.
func (n *near) adjust() {
	e := n.e
	if e.over {
		return
	}
	pauses := n.short || e.broke()
	if pauses {
		e.startTick() // which looks whether that is over
	}
	reading := n.full == 0 && e.held <= mostHeld && !pauses
	writing := len(n.blocked) > 0
	if reading == n.reading && writing == n.writing {
		return
	}
	n.reading, n.writing = reading, writing
	if err := e.loop.Change(n.fd, events(reading, writing)); err != nil {
		e.fail(err)
	}
}

func events(reading, writing bool) (e poll.Events) {
	if reading {
		e |= poll.Readable
	}
	if writing {
		e |= poll.Writable
	}
	return e
}

// answer sends a piece to its peer at the end of the turn.
func (n *near) answer(p piece) {
	n.answers = append(n.answers, p)
	if !n.promised {
		n.promised = true
		n.e.loop.Again(n.fd, turnEnd)
	}
}

// flush sends the answers.
func (n *near) flush() {
	if len(n.answers) == 0 {
		return
	}
	ps := n.answers
	n.answers = nil
	n.e.send(n.fd, ps, &n.back)
	clear(ps)
	n.answers = ps[:0]
	n.adjust()
}

// unblock goes on with the sessions that waited for that.
func (n *near) unblock() {
	todo := n.blocked
	n.blocked = nil
	for _, s := range todo {
		s.blocked[outcome.B] = false
		if !s.over {
			s.resume()
		}
	}
	n.adjust()
}
