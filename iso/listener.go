package iso

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"time"

	"zocalo/socket"
	"zocalo/socket/wait"
)

var background = context.Background()

// passive is what a listener has.
type passive struct {
	*wait.Backlog[*connection]            // connections that stand
	errs                       chan error // of TCP's accept, for whoever waits
	hoard                      hoard
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
		if c, ok := p.Take(); ok {
			<-c.confirmed
			return c, nil
		}
		select {
		case <-p.Arrived:
		case err := <-p.errs:
			return nil, err
		case <-l.Closed:
		case <-passed:
		case <-l.Ctx.Done():
		}
	}
}

// shake is the listener's side of the handshake.
func (st *station) shake(ctx context.Context, tcp *socket.Socket, heard func()) {
	c := newConnection(tcp, false)
	stop := context.AfterFunc(ctx, c.clock.kick)
	b, err := c.packet()
	if !stop() || err != nil {
		if context.Cause(ctx) == wait.ErrGaveWay {
			c.Abort()
		}
		c.Close()
		return
	}
	heard()
	cr, err := decodeTPDU(b)
	var bad *ProtocolError
	switch {
	case errors.As(err, &bad) && isClass0Request(b):
		c.refuse(ctx, &tpdu{code: codeER, dst: uint16(b[4])<<8 | uint16(b[5]), cause: byte(bad.Cause), rejected: bad.Header})
		return
	case err != nil || cr.code != codeCR:
		c.Close()
		return
	}
	traced(traceIn, c.tcp, &cr, len(b))
	reason := AddressUnknown
	l, p := st.called(selectorOf(cr.called))
	switch {
	case !offersClass0(&cr):
		reason = NegotiationFailed
	case l != nil:
		cc := c.agree(l, p, &cr)
		if reason = c.enqueue(ctx, p); reason == Unspecified {
			c.confirm(cc)
			return
		}
	}
	c.refuse(ctx, &tpdu{code: codeDR, dst: cr.src, cause: byte(reason)})
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

// agree makes the connection what the listener's options and the request settle
// on, and returns the answer that says so.
func (c *connection) agree(l *connection, p *passive, cr *tpdu) *tpdu {
	l.mu.Lock()
	f, stream := l.config, l.stream
	l.mu.Unlock()
	f.tpdu = min(f.tpdu, sizeOfCode(cr.size))
	f.expedited = f.expedited && cr.hasAdditional && cr.additional&useExpedited != 0
	c.stream, c.hoard = stream, &p.hoard
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

// enqueue gives the connection to whoever accepts, as soon as there is room. It
// returns why not, else Unspecified.
func (c *connection) enqueue(ctx context.Context, p *passive) Reason {
	c.confirmed = make(chan struct{})
	for {
		switch ok, err := p.Put(c); {
		case err != nil:
			return NotAttached
		case ok:
			return Unspecified
		}
		select {
		case <-p.Room:
		case <-ctx.Done():
			return Congestion
		}
	}
}

// confirm answers the client, after the connection was enqueued: in this order,
// so that clients are accepted as they came. Accept waits until it is done.
func (c *connection) confirm(cc *tpdu) {
	if c.answer(cc) != nil {
		c.ended = true // as Read will tell
	}
	c.clock.change(func() { c.clock.shaking = false })
	close(c.confirmed)
}

// answer sends a TPDU of the handshake.
func (c *connection) answer(t *tpdu) error {
	packet := t.packet()
	traced(traceOut, c.tcp, t, len(packet)-tpktHeader)
	c.clock.change(func() { c.clock.shaking, c.clock.bound = true, time.Now().Add(closeBound) })
	_, err := c.tcp.Write(packet)
	return err
}

// refuse sends the last TPDU of a connection that does not come to be, and
// waits a while for the peer to take it and go.
func (c *connection) refuse(ctx context.Context, t *tpdu) {
	defer c.Close()
	if c.answer(t) != nil || c.tcp.Shutdown(socket.ShutdownWrite) != nil {
		return
	}
	defer context.AfterFunc(ctx, c.clock.kick)()
	var b [1024]byte
	for range 64 {
		if _, err := c.tcp.Read(b[:]); err != nil {
			break
		}
	}
}
