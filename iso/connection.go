package iso

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// closeBound is how long Close tries to send what was accepted for sending
// and is not with the system yet.
const closeBound = time.Second

// The states of a connection.
type state int

const (
	fresh state = iota
	listening
	connecting
	connected
	failed // to connect: good only for Close
)

// connection is an endpoint in connection mode over a TCP socket: a stream or
// seqpacket socket, connected or passive.
type connection struct {
	stream bool // bytes without boundaries
	over6  bool // over IPv6
	tcp    *socket.Socket
	closed chan struct{}

	mu      sync.Mutex // guards the next six
	state   state
	config  config
	own     Selector // of the name
	peer    socket.Name
	station *station // the TCP port that it is bound to, unless it is connected
	passive *passive // of a listener

	clock clock

	reading wait.Turn // guards incoming
	incoming
	writing wait.Turn // guards outgoing
	outgoing
	urgent urgent

	localRef, remoteRef uint16 // of both ends
	shaken              int    // bytes of the packet of the handshake in the inbox
	greeting            greeting
	hoard               *hoard        // of the listener that made it; nil for others
	hoarded             atomic.Int64  // of it
	confirmed           chan struct{} // closed when the answer to the peer's request has left

	noRead atomic.Bool
	data   atomic.Pointer[[]byte] // user data of the peer's CR or CC, for UserData
}

// errNotListening is accept(2)'s for a socket that is not passive.
const errNotListening = syscall.EINVAL

func newConnection(tcp *socket.Socket, stream bool) *connection {
	e := &connection{stream: stream, tcp: tcp, closed: make(chan struct{})}
	e.config = config{tpdu: DefaultTPDU, tsdu: DefaultTSDU}
	e.urgent.init()
	e.clock.init(tcp)
	return e
}

// Lower makes the options of TCP reach it: a listener's, the port that it is
// bound to.
func (e *connection) Lower() socket.Endpoint { return e.transport() }

func (e *connection) transport() *socket.Socket {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.station != nil {
		return e.station.tcp
	}
	return e.tcp
}

func (e *connection) Name() socket.Name {
	e.mu.Lock()
	tcp, own := e.tcp, e.own
	if e.station != nil {
		tcp = e.station.tcp
	}
	e.mu.Unlock()
	return upper(tcp.Name(), own)
}

func (e *connection) Peer() socket.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peer
}

// Properties tells whether urgent data was agreed on.
func (e *connection) Properties() socket.Properties {
	p := properties(socket.Kind{Domain: Domain, Type: e.kind()})
	if e.isExpedited() {
		p.Urgent = largestED
	}
	return p
}

func (e *connection) kind() socket.Type {
	if e.stream {
		return socket.Stream
	}
	return socket.SeqPacket
}

// configure changes options, as long as they can have an effect.
func (e *connection) configure(change func(*config)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch e.state {
	case connecting, connected, failed:
		return os.NewSyscallError("setsockopt", syscall.EISCONN)
	}
	change(&e.config)
	return nil
}

// begin moves a fresh socket to another state.
func (e *connection) begin(s state) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch e.state {
	case fresh:
		e.state = s
		return nil
	case connecting:
		return os.NewSyscallError("connect", syscall.EALREADY)
	case connected:
		return os.NewSyscallError("connect", syscall.EISCONN)
	}
	return os.NewSyscallError("connect", syscall.EINVAL)
}

// Bind gives the socket an address and port and, by the name's selector, its
// own. Listeners of this process may share a port.
func (e *connection) Bind(n socket.Name) error {
	lower, err := lowerName(n)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if wait.IsClosed(e.closed) {
		return net.ErrClosed
	}
	if e.state != fresh || e.station != nil {
		return os.NewSyscallError("bind", syscall.EINVAL)
	}
	st, err := joinStation(e, lower, SelectorOf(n))
	if err != nil {
		return err
	}
	e.station, e.own = st, SelectorOf(n)
	e.clock.change(func() { e.clock.off = true })
	return nil
}

func (e *connection) SetReadDeadline(t time.Time) error  { return e.clock.set(&e.clock.read, t) }
func (e *connection) SetWriteDeadline(t time.Time) error { return e.clock.set(&e.clock.write, t) }

func (e *connection) readLimits() wait.Limits {
	return wait.Limits{Ctx: context.Background(), Closed: e.closed, Deadline: &e.clock.read}
}

func (e *connection) writeLimits() wait.Limits {
	return wait.Limits{Ctx: context.Background(), Closed: e.closed, Deadline: &e.clock.write}
}

// ClosesWhole implements socket.WholeCloser.
func (e *connection) ClosesWhole() {}

// Shutdown of Read makes every Read io.EOF. Of Both, it ends the connection
// as far as the peer is concerned. Class 0 cannot end one's own direction
// alone.
func (e *connection) Shutdown(how socket.ShutdownHow) error {
	if !e.isConnected() {
		return os.NewSyscallError("shutdown", syscall.ENOTCONN)
	}
	switch how {
	case socket.ShutdownWrite:
		return &socket.UnsupportedError{Feature: "half-close (class 0 of ISO transport ends both directions at once)",
			Needs: "Close, once all that the peer may still say was read"}
	}
	// TCP first: a Write that waits for the peer then ends, and gives its turn.
	e.noRead.Store(true)
	err := e.lowerError(e.tcp.Shutdown(how))
	e.finishUrgent(io.EOF)
	if how == socket.ShutdownBoth {
		l := e.writeLimits()
		if turnErr := e.writing.Take(&l); turnErr != nil {
			return turnErr
		}
		e.ended = true
		e.writing.Give()
	}
	return err
}

func (e *connection) isConnected() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state == connected
}

// Close ends the connection, as class 0 does, by ending that of TCP. What
// Write has taken and the system has not yet gets a second to leave; if it
// does not, the peer finds the connection reset, in the middle of a message.
func (e *connection) Close() error {
	if err := e.stop(); err != nil {
		return err
	}
	e.mu.Lock()
	st, was := e.station, e.state
	e.mu.Unlock()
	if st != nil {
		st.leave(e)
		if st.tcp == e.tcp {
			return nil
		}
		return bare(e.tcp.Close())
	}
	if was != connected {
		return bare(e.tcp.Close())
	}
	e.writing.Wait(context.Background()) // whoever has it stops now
	defer e.writing.Give()
	if len(e.owed) > 0 {
		e.tcp.SetWriteDeadline(time.Now().Add(closeBound))
		if e.settle() != nil {
			return bare(e.tcp.Abort())
		}
	}
	return bare(e.tcp.Close())
}

// Abort closes by a reset.
func (e *connection) Abort() error {
	e.mu.Lock()
	bound := e.station != nil
	e.mu.Unlock()
	if bound {
		return e.Close()
	}
	if err := e.stop(); err != nil {
		return err
	}
	return bare(e.tcp.Abort())
}

// stop ends what waits, and makes everything else fail from now on. Name and
// Peer answer as before.
func (e *connection) stop() error {
	e.tcp.Name()
	e.tcp.Peer()
	err := e.clock.stop(e.closed)
	e.unhoard()
	return err
}

// lowerError is the error of a call on the TCP socket that Close may have
// ended, by way of its deadlines.
func (e *connection) lowerError(err error) error {
	if err != nil && wait.IsClosed(e.closed) {
		return net.ErrClosed
	}
	return bare(err)
}

// bare returns the error without what the TCP socket says around it: the
// operation and the names are this endpoint's.
func bare(err error) error {
	if err == nil {
		return nil
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// clock keeps the deadlines of a connection and, as they follow from these,
// those of its TCP socket.
type clock struct {
	read, write wait.Deadline

	mu       sync.Mutex
	tcp      *socket.Socket
	closed   bool
	bound    time.Time // of the handshake, which both directions of TCP then obey
	shaking  bool
	kicks    int  // if positive, reads of TCP are to end, whatever the deadline
	off      bool // TCP's are somebody else's: of a socket bound to a station
	flushing bool // writes of TCP go on, whatever the deadline
}

func (c *clock) init(tcp *socket.Socket) {
	c.tcp = tcp
	c.read.Init()
	c.write.Init()
}

var longAgo = time.Unix(1, 0)

func (c *clock) set(d *wait.Deadline, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	d.Set(t)
	return c.apply()
}

// apply tells TCP its deadlines. The caller holds mu.
func (c *clock) apply() error {
	if c.off {
		return nil
	}
	read, write := c.read.Time(), c.write.Time()
	if c.shaking {
		if write.IsZero() || c.bound.Before(write) {
			write = c.bound
		}
		read = write
	}
	if c.flushing {
		write = time.Time{}
	}
	if c.kicks > 0 {
		read = longAgo
	}
	if c.closed {
		read, write = longAgo, longAgo
	}
	err := c.tcp.SetReadDeadline(read)
	if e := c.tcp.SetWriteDeadline(write); err == nil {
		err = e
	}
	return bare(err)
}

// change changes what the deadlines of TCP depend on.
func (c *clock) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.apply()
}

// kick ends reads of TCP, until unkick is called as often.
func (c *clock) kick()   { c.change(func() { c.kicks++ }) }
func (c *clock) unkick() { c.change(func() { c.kicks-- }) }

func (c *clock) stop(closed chan struct{}) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	close(closed)
	c.read.Set(time.Time{}) // stops the timers
	c.write.Set(time.Time{})
	c.apply()
	return nil
}
