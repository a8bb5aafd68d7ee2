package iso

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/socket/wait"
)

// mostShake bounds the packets of a handshake, with more user data than there
// may be.
const mostShake = 512

// The bounds of a handshake. They are variables for tests alone.
var (
	// answerBound is how long a client waits for the answer to its connection
	// request once TCP stands, unless told otherwise.
	answerBound = 30 * time.Second

	// requestBound is how long a client may take to send its connection
	// request and, where the listener's queue is full, to be let in.
	requestBound = 10 * time.Second
)

// defaultCalling is what a client says that it is where it was not told:
// what S7 gear expects of a programming device.
const defaultCalling Selector = "\x01\x00"

var lastRef atomic.Uint32

// nextRef returns a reference for a connection; never 0, which some servers
// do not like.
func nextRef() uint16 { return uint16(lastRef.Add(1)%0xffff) + 1 }

// Connect connects TCP and then, by a CR and a CC, the transport.
func (e *connection) Connect(ctx context.Context, peer socket.Name) error {
	lower, err := lowerName(peer)
	if err != nil {
		return err
	}
	if wait.IsClosed(e.closed) {
		return net.ErrClosed
	}
	if err := e.begin(connecting); err != nil {
		return err
	}
	if err := e.connect(ctx, lower, peer); err != nil {
		e.mu.Lock()
		e.state = failed
		e.mu.Unlock()
		return err
	}
	return nil
}

func (e *connection) connect(ctx context.Context, lower, peer socket.Name) error {
	if err := e.leaveStation(); err != nil {
		return err
	}
	l := e.writeLimits()
	if err := e.reading.Take(&l); err != nil {
		return err
	}
	defer e.reading.Give()
	if err := e.tcp.Connect(ctx, lower); err != nil {
		return e.lowerError(err)
	}
	bound := time.Now().Add(answerBound)
	e.clock.change(func() { e.clock.shaking, e.clock.bound = true, bound })
	kicked := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		e.clock.kick()
		close(kicked)
	})
	err := e.request(peer)
	if !stop() {
		<-kicked
		e.clock.unkick()
		if endedByUs(err) {
			err = ctx.Err()
		}
	}
	e.clock.change(func() { e.clock.shaking = false })
	if errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(bound) {
		err = &socket.HintError{Err: os.NewSyscallError("connect", syscall.ETIMEDOUT),
			Hint: "TCP connected, but the connection request got no answer within " + units.Set(answerBound) + ": check that ISO transport is what listens there"}
	}
	return err
}

// leaveStation takes the TCP socket of a socket that was bound, which must not
// be shared.
func (e *connection) leaveStation() error {
	e.mu.Lock()
	st := e.station
	e.mu.Unlock()
	if st == nil {
		return nil
	}
	if !st.yield(e) {
		return os.NewSyscallError("connect", syscall.EADDRINUSE)
	}
	e.clock.change(func() { e.clock.off = false })
	return nil
}

// request sends a CR and reads the answer.
func (e *connection) request(peer socket.Name) error {
	e.mu.Lock()
	c := e.config
	if !c.hasCalling {
		if c.calling = e.own; c.calling == "" && SelectorOf(peer) != "" {
			c.calling = defaultCalling
		}
	}
	e.own, e.peer = c.calling, peer
	e.mu.Unlock()
	called := SelectorOf(peer)
	e.localRef = nextRef()
	cr := tpdu{code: codeCR, src: e.localRef, size: codeOfSize(c.tpdu), data: c.userData,
		calling: []byte(c.calling), hasCalling: c.calling != "", called: []byte(called), hasCalled: called != ""}
	if c.expedited {
		cr.additional, cr.hasAdditional = useExpedited, true
	}
	packet := cr.packet()
	traced(traceOut, e.tcp, &cr, len(packet)-tpktHeader)
	if _, err := e.tcp.Write(packet); err != nil {
		return e.unanswered(err)
	}
	b, err := e.packet()
	if err != nil {
		return e.unanswered(err)
	}
	t, err := decodeTPDU(b)
	if err != nil {
		return err
	}
	traced(traceIn, e.tcp, &t, len(b))
	switch t.code {
	case codeCC:
	case codeDR:
		return refusal(&t)
	case codeER:
		return &socket.HintError{Err: errored(&t, true), Hint: "see what it does not like, and omit options that not everybody knows, such as expedited"}
	default:
		return protocolError(causeBadType, "a %s came in answer to a connection request", codeNames[t.code])
	}
	if t.class>>4 != 0 {
		return protocolError(causeBadValue, "the peer chose class %d, but class 0 was offered", t.class>>4)
	}
	c.expedited = c.expedited && t.hasAdditional && t.additional&useExpedited != 0
	if t.size != 0 {
		c.tpdu = min(c.tpdu, sizeOfCode(t.size))
	}
	e.remoteRef = t.src
	e.greet(t.data, ConfirmData)
	e.consume()
	e.stand(c)
	return nil
}

// unanswered returns the error of a request that the peer did not answer.
func (e *connection) unanswered(err error) error {
	err = e.lowerError(err)
	for _, end := range []error{io.EOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return unanswered(err)
		}
	}
	return err
}

// stand makes the connection one that stands, with what was agreed on.
func (e *connection) stand(c config) {
	e.cut, e.bound = c.tpdu-dataHeader, c.tsdu
	e.mu.Lock()
	defer e.mu.Unlock()
	e.urgent.agreed = c.expedited
	e.config = c
	e.state = connected
}

// packet reads the TPDU of one packet of the handshake. It stays in the inbox
// until consume is called.
func (e *connection) packet() ([]byte, error) {
	if err := e.need(tpktHeader); err != nil {
		return nil, err
	}
	size, err := parseTPKT(e.inbox[e.start:])
	if err != nil {
		return nil, err
	}
	if size > mostShake {
		return nil, protocolError(causeUnspecified, "a TPDU of %d bytes came before the connection was made", size-tpktHeader)
	}
	if err := e.need(size); err != nil {
		return nil, err
	}
	e.shaken = size
	return e.inbox[e.start+tpktHeader : e.start+size], nil
}

func (e *connection) consume() { e.start += e.shaken }
