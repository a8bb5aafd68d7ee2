package quic

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/socket"
)

// A transport is a UDP socket and all the connections that share it, dialled or
// accepted: those of one local name.
type transport struct {
	carrier  *carrier
	udp      *socket.Socket
	name     socket.Name
	quic     quicgo.Transport
	listener atomic.Pointer[listener]

	users  int           // guarded by transports.mu
	closed chan struct{} // once nobody used it, and its name is free
}

// transports are those that sockets were bound to, by name.
var transports = struct {
	mu     sync.Mutex
	byName map[socket.Name]*transport
}{byName: map[socket.Name]*transport{}}

// newTransport makes a transport of a UDP socket that has a name, which it owns.
func newTransport(udp *socket.Socket, p *prepared) *transport {
	t := &transport{carrier: newCarrier(udp, p), udp: udp, name: udp.Name(), users: 1, closed: make(chan struct{})}
	t.quic.Conn = t.carrier
	t.quic.StatelessResetKey = p.resetKey(t.name)
	t.quic.ConnContext = func(ctx context.Context, info *quicgo.ClientInfo) (context.Context, error) {
		if l := t.listener.Load(); l != nil {
			return l.arrives(ctx, info)
		}
		return nil, net.ErrClosed
	}
	t.quic.VerifySourceAddress = func(net.Addr) bool {
		l := t.listener.Load()
		return l != nil && l.crowded()
	}
	return t
}

// resetKey is what a listener tells peers by that it does not know their connection, as after a restart
// (RFC 9000, section 10.3): nil where it would not be the same then. It is of no use at another name
// or on another machine, which else could be asked to end the connections of this one (section 21.11).
func (p *prepared) resetKey(name socket.Name) *quicgo.StatelessResetKey {
	host, _ := os.Hostname()
	var key quicgo.StatelessResetKey
	if copy(key[:], p.tls.Secret("zocalo: stateless reset of QUIC\x00"+name.String()+"\x00"+host, len(key))) == 0 {
		return nil
	}
	return &key
}

// bindTransport returns the transport of a name, which this process may have already;
// else it gives the name to udp.
func bindTransport(udp *socket.Socket, n socket.Name, p *prepared) (*transport, error) {
	transports.mu.Lock()
	defer transports.mu.Unlock()
	for t := transports.byName[n]; t != nil; t = transports.byName[n] {
		if t.users > 0 {
			t.users++
			udp.Close()
			return t, nil
		}
		transports.mu.Unlock()
		<-t.closed
		transports.mu.Lock()
	}
	if err := udp.Bind(n); err != nil {
		return nil, bare(err)
	}
	t := newTransport(udp, p)
	transports.byName[t.name] = t
	return t, nil
}

// ownTransport makes the transport of one connection: at any port, and of no one
// address, so that the connection lives on where this machine gets another.
func ownTransport(udp *socket.Socket, p *prepared) (*transport, error) {
	any := netip.IPv4Unspecified()
	if udp.Domain() == socket.Inet6 {
		any = netip.IPv6Unspecified()
	}
	if err := udp.Bind(socket.InetName(netip.AddrPortFrom(any, 0))); err != nil {
		return nil, bare(err)
	}
	return newTransport(udp, p), nil
}

// enter is for one more who uses the transport; each leaves once.
func (t *transport) enter() {
	transports.mu.Lock()
	t.users++
	transports.mu.Unlock()
}

func (t *transport) leave() {
	transports.mu.Lock()
	t.users--
	last := t.users == 0
	transports.mu.Unlock()
	if !last {
		return
	}
	t.quic.Close()
	t.udp.Close()
	transports.mu.Lock()
	defer transports.mu.Unlock()
	if transports.byName[t.name] == t {
		delete(transports.byName, t.name)
	}
	close(t.closed)
}

// errNoAnswer is the error of a handshake to which nothing came.
var errNoAnswer = os.NewSyscallError("connect", syscall.ETIMEDOUT)

// dial makes a connection. The end of ctx ends it.
func (t *transport) dial(ctx context.Context, peer socket.Name, p *prepared) (*quicgo.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := t.carrier.await(peer, func(err error) { cancel(os.NewSyscallError("connect", err.(syscall.Errno))) })
	defer stop()
	timed, end := context.WithTimeoutCause(ctx, p.handshake, errNoAnswer)
	defer end()
	dial := t.quic.Dial
	if p.early {
		dial = t.quic.DialEarly
	}
	c, err := dial(timed, net.UDPAddrFromAddrPort(peer.AddrPort()), p.tls.Client(), p.quic)
	if err != nil {
		return nil, p.handshakeError(err)
	}
	return c, nil
}

// sourceOf is the address from which this machine reaches a peer: a socket bound to no
// one address does not tell. It is only for people, and so is its absence.
func sourceOf(t *transport, peer socket.Name) socket.Name {
	if !t.name.AddrPort().Addr().IsUnspecified() {
		return t.name
	}
	s, err := socket.New(peer.Domain(), socket.Datagram, 0)
	if err != nil {
		return t.name
	}
	defer s.Close()
	if s.Connect(context.Background(), peer) != nil {
		return t.name
	}
	return socket.InetName(netip.AddrPortFrom(s.Name().AddrPort().Addr(), t.name.AddrPort().Port()))
}

// bare returns the error without what the UDP socket says around it: the operation and
// the names are this endpoint's.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
