package quic

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"zocalo/socket"
)

// A state is how far a socket has come.
type state int

const (
	fresh state = iota
	connecting
	listening
	connected
	failed // to connect: good only for Close
)

// base is a socket on its way to a peer or to listen: what streams and datagrams have in
// common.
type base struct {
	kind     socket.Kind
	prepared *prepared // nil until the address is known

	mu        sync.Mutex
	state     state
	closed    bool
	udp       *socket.Socket // its own, for options; nil before the first, and once a transport has it
	transport *transport     // that it is bound to, or listens at
	conn      *connection    // that it has a part of; its own place there
	stop      func()         // ends Connect
}

func (b *base) configure(p *prepared) { b.prepared = p }

// lower is the UDP socket, for its options, as long as that is this socket's alone: nil
// once others share it.
func (b *base) lower() socket.Endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state != fresh:
		return nil
	case b.transport != nil:
		return b.transport.udp
	}
	if udp, err := b.own(); err == nil {
		return udp
	}
	return nil
}

// own returns the socket's own UDP socket, which it makes if need be. The caller holds mu.
func (b *base) own() (*socket.Socket, error) {
	if b.udp != nil {
		return b.udp, nil
	}
	if b.closed || b.state != fresh {
		return nil, net.ErrClosed
	}
	d := socket.Inet
	if b.kind.Domain == Domain6 {
		d = socket.Inet6
	}
	s, err := socket.New(d, socket.Datagram, 0)
	b.udp = s
	return s, err
}

// Bind implements [socket.Binder]. Of one name there is one UDP socket in a process.
func (b *base) Bind(n socket.Name) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return net.ErrClosed
	case b.prepared == nil:
		return errUnprepared
	case b.state != fresh || b.transport != nil:
		return os.NewSyscallError("bind", syscall.EINVAL)
	}
	udp, err := b.own()
	if err == nil {
		b.transport, err = bindTransport(udp, n, b.prepared)
	}
	if err == nil {
		b.udp = nil
	}
	return err
}

// begin moves a fresh socket to another state. Closing it calls stop, if not nil.
func (b *base) begin(s state, stop func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return net.ErrClosed
	case b.prepared == nil:
		return errUnprepared
	case b.state == connecting:
		return os.NewSyscallError("connect", syscall.EALREADY)
	case b.state == connected:
		return os.NewSyscallError("connect", syscall.EISCONN)
	case b.state != fresh || s == listening && b.transport == nil:
		return os.NewSyscallError("connect", syscall.EINVAL)
	}
	if s == connecting && b.transport == nil && b.udp == nil {
		if _, err := b.own(); err != nil {
			return err
		}
	}
	b.state, b.stop = s, stop
	return nil
}

// source is the name that the socket is bound to.
func (b *base) source() socket.Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.transport == nil {
		return socket.Name{}
	}
	return b.transport.name
}

// transportToDial returns the transport for a new connection, which has a place there.
func (b *base) transportToDial() (*transport, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed: // and its place is given back, or will be
		return nil, net.ErrClosed
	case b.transport != nil:
		b.transport.enter()
		return b.transport, nil
	case b.udp == nil:
		return nil, net.ErrClosed
	}
	t, err := ownTransport(b.udp, b.prepared)
	if err == nil {
		b.udp = nil
	}
	return t, err
}

// Name implements [socket.Endpoint].
func (b *base) Name() socket.Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.conn != nil:
		return b.conn.own
	case b.transport != nil:
		return b.transport.name
	}
	return socket.Name{}
}

// Peer implements [socket.Endpoint].
func (b *base) Peer() socket.Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn == nil {
		return socket.Name{}
	}
	return b.conn.peer
}

// end marks the socket closed, once.
func (b *base) end() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.closed
	b.closed = true
	return !was
}

// free gives back what the socket has, once it is closed: a Connect that goes on gets no more.
func (b *base) free() {
	b.mu.Lock()
	udp, c, t := b.udp, b.conn, b.transport
	b.mu.Unlock()
	if udp != nil {
		udp.Close()
	}
	if c != nil {
		c.leave()
	}
	if t != nil {
		t.leave()
	}
}

// Facts implements [socket.Teller].
func (b *base) Facts() []socket.Fact {
	b.mu.Lock()
	c := b.conn
	b.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.facts()
}

// ProvesNames implements [socket.NameProver].
func (b *base) ProvesNames() bool { return b.prepared != nil && b.prepared.tls.ProvesNames() }

// past is a deadline that ends what waits.
var past = time.Unix(1, 0)
