package bench

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/internal/accept"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Datagrams serves the peers of a socket without connections, as far as who says,
// until ctx ends, and returns nil then. It does not close the socket.
//
// Until a peer has sent back a number that was sent only to its address, it gets
// nothing but answers no longer than what it sent: whoever forges addresses
// cannot make the server flood others.
func (s *Server) Datagrams(ctx context.Context, c *socket.Socket, who Peers) error {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(past) })
	defer stop()
	d := &desk{server: s, socket: c, who: who, sessions: make(map[socket.Name]*session)}
	d.perPeer = accept.NewPerPeer(who.MaxPerPeer, d.mostSessions(), c)
	defer d.close()
	size := maxDatagram
	if s.MaxSize > 0 {
		size = min(size, s.MaxSize)
	}
	option.UDPGRO.Set(c, true) // where there is such a thing; it may have been refused
	in := newInbox(c, size)
	reliable := c.Properties().Reliable
	for {
		// Silent sessions end also when nobody says anything any more.
		if !time.Now().Before(d.wake) {
			d.wake = time.Now().Add(d.server.sessionPatience() / 4)
			c.SetReadDeadline(d.wake)
			if ctx.Err() != nil { // perhaps before that
				return nil
			}
		}
		messages, err := in.Receive()
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = nil // of a peer that is gone
		}
		d.now = time.Now()
		if reliable { // a peer that does not read must not stop all others
			c.SetWriteDeadline(d.now.Add(deafPatience))
		}
		echoes := 0 // of the batch, in front
		for i := range messages {
			if d.take(&messages[i]) {
				messages[echoes], messages[i] = messages[i], messages[echoes]
				echoes++
			}
		}
		d.sendBack(messages[:echoes])
		d.expire()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
	}
}

// A client over a kind without connections says its start this often, so that
// the server knows that it is still there.
var attendance = time.Second

// leastPatience is that with a client that does so, some of which may be lost.
var leastPatience = 5 * time.Second

func (s *Server) sessionPatience() time.Duration { return max(s.patience(), leastPatience) }

// maxDatagram is the longest message that a server receives without a
// connection: more than any datagram of the Internet.
const maxDatagram = 64 << 10

// A desk serves the peers of one socket without connections, in one goroutine.
type desk struct {
	server   *Server
	socket   *socket.Socket
	who      Peers
	now      time.Time // when the batch at hand came
	sessions map[socket.Name]*session
	perPeer  *accept.PerPeer
	last     *session // that of the message before
	lastPeer socket.Name
	from     netip.Addr // where on the Internet the message at hand came from
	looked   time.Time  // for sessions to expire
	wake     time.Time  // when to look though nothing came

	senders sync.WaitGroup
}

// A session is one peer's flow.
type session struct {
	peer     socket.Name
	who      *accept.Peer // nil where a single peer is not bounded
	asked    greeting     // as it came
	ask      greeting     // as it is served
	answer   answer
	receiver *receiver
	sender   *sender
	sending  atomic.Bool // the sender runs
	meter    meter
	leave    func()
	report   [][]byte // once it was asked for
	began    time.Time
	active   time.Time
	started  bool
}

func (d *desk) close() {
	for _, n := range d.sessions {
		n.sender.stop.Store(true)
		n.leave()
	}
	d.senders.Wait()
}

// take serves one message, or a train of them, and reports whether it is to be sent
// back.
func (d *desk) take(m *socket.Message) (back bool) {
	if m.Peer.IsZero() || m.Flags&socket.Truncated != 0 {
		return false // there is nobody to answer, or not the whole of a message
	}
	if d.who.RefusesSender(m) != "" {
		return false
	}
	n := d.last
	if n == nil || m.Peer != d.lastPeer {
		n = d.sessions[m.Peer]
	}
	if n != nil && n.ask.service == echoed && !isGreeting(m.Buffers[0][:m.N]) {
		d.last, d.lastPeer = n, m.Peer
		if !n.confirmed(m) {
			return false
		}
		n.active = d.now
		m.SetData(m.Buffers[0][:m.N])
		m.Flags, m.Ancillary.Present = 0, 0
		return true
	}
	for b := range m.Segments() {
		if isGreeting(b) {
			d.from = m.Source().Addr()
			n = d.greet(m.Peer, b)
		}
		if n == nil || n.ask.service == echoed {
			return false
		}
		d.last, d.lastPeer = n, m.Peer
		n.active = d.now
		if err := n.receiver.message(b, d.now); err != nil && !isGreeting(b) {
			d.server.log().Debug("message refused", "peer", m.Peer.String(), "error", err)
		}
	}
	return false
}

// confirmed reports whether a client whose messages come back is where it says.
// Its start, which shows that, comes back as the first. Else a forged greeting
// could make this server and another echo server answer each other for ever.
func (n *session) confirmed(m *socket.Message) bool {
	if !n.started {
		for b := range m.Segments() {
			n.started = n.started || isStart(b, n.answer.token)
		}
	}
	return n.started
}

// sendBack sends messages back. What a peer cannot take is its loss.
func (d *desk) sendBack(rest []socket.Message) {
	for len(rest) > 0 {
		n, err := d.socket.SendBatch(rest)
		if err != nil {
			n++
		}
		rest = rest[n:]
	}
}

// greet answers a greeting, and returns the session of its peer: the one
// there is, where the greeting came before.
func (d *desk) greet(peer socket.Name, text []byte) *session {
	n := d.sessions[peer]
	var g greeting
	if n == nil || g.parse(text) != nil || g != n.asked {
		var a answer
		g, a = d.server.accept(text, d.socket.Properties())
		if most := d.mostSessions(); a.token != 0 && n == nil && len(d.sessions) >= most && !d.makeRoom() {
			a = answer{reason: "too many clients"}
		}
		if n != nil && a.token != 0 {
			d.drop(n)
		}
		who, ok := d.perPeer.EnterName(d.from, nil)
		if a.token != 0 && !ok {
			a = answer{reason: "too many flows from this address"}
		}
		if a.token == 0 {
			if ok {
				d.perPeer.Leave(who)
			}
			d.say(peer, a.append(nil))
			return nil
		}
		n = d.open(peer, g, a)
		n.who = who
		_ = n.asked.parse(text) // which was read before
	}
	d.say(peer, n.answer.append(nil))
	return n
}

func (d *desk) mostSessions() int {
	if d.who.MaxSessions > 0 {
		return d.who.MaxSessions
	}
	return DefaultMaxSessions
}

// makeRoom drops the session that is silent for longest of those that have not
// shown that their peer exists, if there is one.
func (d *desk) makeRoom() bool {
	var oldest *session
	for _, n := range d.sessions {
		if !n.started && (oldest == nil || n.active.Before(oldest.active)) {
			oldest = n
		}
	}
	if oldest != nil {
		d.drop(oldest)
	}
	return oldest != nil
}

func (d *desk) open(peer socket.Name, g greeting, a answer) *session {
	n := &session{peer: peer, ask: g, answer: a, began: d.now, active: d.now}
	n.meter.alone, n.leave = d.server.enter(g.run)
	n.meter.begin()
	n.receiver = newReceiver(&n.ask, d.socket.Properties())
	n.receiver.onMeasured = n.meter.begin
	n.receiver.control = func(h *header, _ []byte) error { return d.control(n, h) }
	n.sender = &sender{socket: d.socket, to: peer, ask: &n.ask, pace: pacer{coarse: d.server.coarse}, onMeasured: n.meter.begin}
	d.sessions[peer] = n
	d.server.tell(peer, &g)
	return n
}

func (d *desk) drop(n *session) {
	n.sender.stop.Store(true)
	n.leave()
	delete(d.sessions, n.peer)
	d.perPeer.Leave(n.who)
	d.last = nil
}

// say sends one message. Whoever does not get it asks again.
func (d *desk) say(peer socket.Name, b []byte) {
	m := socket.Message{Peer: peer}
	m.SetData(b)
	d.socket.Send(&m)
}

// control does what a client's frame asks for.
func (d *desk) control(n *session, h *header) error {
	switch h.kind {
	case startFrame:
		if h.number == n.answer.token && !n.started {
			n.started = true
			if n.receiver.first.IsZero() {
				n.meter.begin()
			}
			if n.ask.direction&reverse != 0 {
				d.send(n)
			}
		}
	case markFrame:
		n.meter.begin()
	case stopFrame:
		n.sender.stop.Store(true)
	case endFrame:
	case askFrame:
		return d.tell(n, h)
	default:
		return errors.New("a frame that only servers send")
	}
	return nil
}

// send sends a session's data.
func (d *desk) send(n *session) {
	n.sending.Store(true)
	d.senders.Go(func() {
		defer n.sending.Store(false)
		if err := n.sender.run(); err != nil {
			d.server.log().Debug("sending ended", "peer", n.peer.String(), "error", err)
		}
		var b [headerSize]byte
		h := header{kind: endFrame, length: headerSize, number: uint64(n.sender.all.messages.Load())}
		h.put(b[:])
		d.say(n.peer, b[:])
	})
}

// tell sends a part of the report, which the first call makes. While data is
// still being sent there is none, nor for a client that has not shown by its
// start that it is where it says: it asks again.
func (d *desk) tell(n *session, h *header) error {
	if !n.started {
		return nil
	}
	n.sender.stop.Store(true)
	if n.sending.Load() {
		return nil
	}
	if n.report == nil {
		n.receiver.over()
		r := d.server.report(n.receiver, n.sender, &n.meter, int64(h.number))
		o := d.socket.Offloads()
		r.Offloads = offloadWords(o)
		frames, err := r.encode()
		if err != nil {
			return err
		}
		n.report = frames
		n.leave()
	}
	if h.stamp >= 0 && h.stamp < int64(len(n.report)) {
		d.say(n.peer, n.report[h.stamp])
	}
	return nil
}

// expire forgets the sessions that nothing came from for long.
func (d *desk) expire() {
	patience := d.server.sessionPatience()
	if d.now.Sub(d.looked) < patience/4 {
		return
	}
	d.looked = d.now
	for _, n := range d.sessions {
		limit := patience
		switch {
		case !n.started: // it may wait for something else first
			limit += n.ask.duration + n.ask.gap
		case n.ask.service == echoed:
			limit += n.ask.gap
		}
		if most := d.server.MaxTime; d.now.Sub(n.active) > limit || most > 0 && d.now.Sub(n.began) > most+d.server.sessionPatience() {
			d.drop(n)
		}
	}
}

// offloadWords says what the system does for trains of datagrams.
func offloadWords(o socket.Offloads) string {
	word := func(name string, of socket.Offload) string {
		if of.On {
			return name + " on"
		}
		return name + " off: " + of.Reason
	}
	return word("GSO", o.Send) + ", " + word("GRO", o.Receive)
}
