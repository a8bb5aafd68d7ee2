package iso

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"zocalo/socket"
	"zocalo/socket/wait"
)

var background = context.Background()

// mostBacklog is the longest queue of connections.
const mostBacklog = 4096

// passive is the queue of a listener: connections that stand and that nobody
// has accepted.
type passive struct {
	ready wait.Bell  // something to accept
	room  wait.Bell  // room for a connection
	errs  chan error // of TCP's accept, for who waits

	mu     sync.Mutex
	queue  []*connection
	most   int
	closed bool
}

func newPassive(backlog int) *passive {
	p := &passive{ready: wait.NewBell(), room: wait.NewBell(), errs: make(chan error)}
	p.resize(backlog)
	return p
}

func (p *passive) resize(backlog int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most = backlog; backlog <= 0 || backlog > mostBacklog {
		p.most = mostBacklog
	}
	p.room.Ring()
}

// put adds a connection. It returns full, or that the listener is closed.
func (p *passive) put(c *connection) (ok, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.room.Ring() // for the others who wait
		return false, true
	}
	if len(p.queue) >= p.most {
		return false, false
	}
	p.queue = append(p.queue, c)
	p.ready.Ring()
	if len(p.queue) < p.most {
		p.room.Ring()
	}
	return true, false
}

func (p *passive) take() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil
	}
	c := p.queue[0]
	p.queue = append(p.queue[:0], p.queue[1:]...)
	if len(p.queue) > 0 {
		p.ready.Ring()
	}
	p.room.Ring()
	return c
}

// close resets what nobody accepted.
func (p *passive) close() {
	p.mu.Lock()
	queue := p.queue
	p.queue, p.closed = nil, true
	p.room.Ring()
	p.mu.Unlock()
	for _, c := range queue {
		c.Abort()
	}
}

// Listen makes the socket passive. Connections that stand wait in a queue of
// backlog, at most 4096; while that is full, clients wait for the answer to
// their request, for up to 10 s.
func (e *connection) Listen(backlog int) error {
	e.mu.Lock()
	st, s := e.station, e.state
	e.mu.Unlock()
	if s == fresh && st == nil {
		any := netip.IPv4Unspecified()
		if e.over6 {
			any = netip.IPv6Unspecified()
		}
		n, _ := MakeName(netip.AddrPortFrom(any, 0), "")
		if err := e.Bind(n); err != nil {
			return err
		}
		return e.Listen(backlog)
	}
	if st == nil {
		return e.begin(listening) // which it cannot any more
	}
	return st.listen(e, backlog)
}

// Accept takes the next connection of the queue.
func (e *connection) Accept(ctx context.Context) (socket.Endpoint, error) {
	l := wait.Limits{Ctx: ctx, Closed: e.closed, Deadline: &e.clock.read}
	e.mu.Lock()
	p := e.passive
	e.mu.Unlock()
	if p == nil && !wait.IsClosed(e.closed) {
		return nil, os.NewSyscallError("accept", errNotListening)
	}
	for {
		passed := l.Deadline.Passed()
		if err := l.Over(); err != nil {
			return nil, err
		}
		if c := p.take(); c != nil {
			<-c.confirmed
			return c, nil
		}
		select {
		case <-p.ready:
		case err := <-p.errs:
			return nil, err
		case <-l.Closed:
		case <-passed:
		case <-l.Ctx.Done():
		}
	}
}

// shake is the listener's side of the handshake.
func (st *station) shake(c *connection) {
	defer st.settled(c)
	b, err := c.packet()
	if err != nil {
		c.Close()
		return
	}
	cr, err := decodeTPDU(b)
	var bad *ProtocolError
	switch {
	case errors.As(err, &bad) && isClass0Request(b):
		st.answer(c, &tpdu{code: codeER, dst: uint16(b[4])<<8 | uint16(b[5]), cause: byte(bad.Cause), rejected: bad.Header})
		return
	case err != nil || cr.code != codeCR:
		c.Close()
		return
	}
	traced(traceIn, c.tcp, &cr, len(b))
	dr := tpdu{code: codeDR, dst: cr.src}
	l, p := st.called(selectorOf(cr.called))
	switch {
	case !offersClass0(&cr):
		dr.cause = byte(NegotiationFailed)
	case l == nil:
		dr.cause = byte(AddressUnknown)
	default:
		cc := st.confirm(c, l, &cr)
		if st.enqueue(c, p, cc) {
			return
		}
		dr.cause = byte(Congestion)
	}
	st.answer(c, &dr)
}

// isClass0Request reports whether b begins as a CR of class 0.
func isClass0Request(b []byte) bool { return len(b) >= 7 && b[1]&0xf0 == codeCR && b[6]>>4 == 0 }

// offersClass0 reports whether a CR prefers class 0, or has it as an
// alternative (RFC 2126, section 4.2).
func offersClass0(cr *tpdu) bool {
	if cr.class>>4 == 0 {
		return true
	}
	for _, class := range cr.classes {
		if class>>4 == 0 {
			return true
		}
	}
	return false
}

// confirm makes the connection what the listener's options and the request
// settle on, and returns the answer that says so.
func (st *station) confirm(c, l *connection, cr *tpdu) *tpdu {
	l.mu.Lock()
	f, stream := l.config, l.stream
	l.mu.Unlock()
	f.tpdu = min(f.tpdu, sizeOfCode(cr.size))
	f.expedited = f.expedited && cr.hasAdditional && cr.additional&useExpedited != 0
	c.stream = stream
	c.localRef, c.remoteRef = nextRef(), cr.src
	c.greet(cr.data, ConnectData)
	c.consume()
	c.own = selectorOf(cr.called)
	c.peer = upper(c.tcp.Peer(), selectorOf(cr.calling))
	// PLCs repeat both selectors, and nodes7 takes no answer that does not.
	cc := &tpdu{code: codeCC, dst: cr.src, src: c.localRef, size: codeOfSize(f.tpdu), data: f.userData,
		calling: slices.Clone(cr.calling), hasCalling: cr.hasCalling, called: slices.Clone(cr.called), hasCalled: cr.hasCalled}
	if f.expedited {
		cc.additional, cc.hasAdditional = useExpedited, true
	}
	c.stand(f)
	return cc
}

// enqueue gives the connection to who accepts, and then answers the client:
// in this order, so that clients are accepted as they came. Accept waits for
// the answer to have left. It returns false where the listener has no room, or
// is closed.
func (st *station) enqueue(c *connection, p *passive, cc *tpdu) bool {
	bound := time.NewTimer(requestBound)
	defer bound.Stop()
	c.confirmed = make(chan struct{})
	for {
		ok, closed, ended := st.hand(c, p)
		if ended {
			return true
		}
		if closed {
			return false
		}
		if ok {
			break
		}
		select {
		case <-p.room:
		case <-bound.C:
			return false
		case <-c.closed: // for another, or by the end of the station
			return true
		}
	}
	c.clock.change(func() { c.clock.bound = time.Now().Add(closeBound) })
	packet := cc.packet()
	traced(traceOut, c.tcp, cc, len(packet)-tpktHeader)
	if _, err := c.tcp.Write(packet); err != nil {
		c.ended = true // as Read will tell
	}
	c.clock.change(func() { c.clock.shaking = false })
	close(c.confirmed)
	return true
}

// answer sends the last TPDU of a connection that does not come to be, and
// waits a while for the peer to take it and go.
func (st *station) answer(c *connection, t *tpdu) {
	packet := t.packet()
	traced(traceOut, c.tcp, t, len(packet)-tpktHeader)
	c.clock.change(func() { c.clock.shaking, c.clock.bound = true, time.Now().Add(closeBound) })
	if _, err := c.tcp.Write(packet); err == nil && c.tcp.Shutdown(socket.Write) == nil {
		var b [1024]byte
		for range 64 {
			if _, err := c.tcp.Read(b[:]); err != nil {
				break
			}
		}
	}
	c.Close()
}
