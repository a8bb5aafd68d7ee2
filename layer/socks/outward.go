package socks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// An outward is the side of UDP ASSOCIATE that faces the destinations. It sends each datagram
// to where its header says, and puts a header with the source before each answer.
type outward struct {
	udp    *socket.Socket // dual-stack where the system has IPv6
	permit func(host string, n socket.Name) error

	ctx   context.Context // of lookups
	end   context.CancelFunc
	names map[string]found // by host
	in    socket.Message
}

type found struct {
	addr  netip.Addr
	until time.Time
}

// How long the address of a host is kept, and of how many hosts.
const (
	keepNames = 30 * time.Second
	mostNames = 256
)

func newOutward(c *proxy.Conn, refuse func(socket.Name) error) (*socket.Socket, error) {
	udp, err := bound(netip.IPv6Unspecified())
	if err != nil {
		if udp, err = bound(netip.IPv4Unspecified()); err != nil {
			return nil, err
		}
	}
	o := &outward{udp: udp, names: map[string]found{}}
	o.ctx, o.end = context.WithCancel(context.Background())
	o.permit = func(host string, n socket.Name) error {
		err := c.Rules.Permit(host, n)
		if err == nil && refuse != nil {
			err = refuse(n)
		}
		return err
	}
	return c.Layer.Wrap(o, udp), nil
}

// Lower implements [socket.Layer].
func (o *outward) Lower() socket.Endpoint { return o.udp }

func (o *outward) Name() socket.Name                  { return o.udp.Name() }
func (o *outward) Peer() socket.Name                  { return socket.Name{} }
func (o *outward) SetReadDeadline(t time.Time) error  { return o.udp.SetReadDeadline(t) }
func (o *outward) SetWriteDeadline(t time.Time) error { return o.udp.SetWriteDeadline(t) }

// Properties implements [socket.Promiser]: only the association ends it.
func (o *outward) Properties() socket.Properties {
	return socket.Properties{Connected: true, Bounded: true}
}

// Write sends a datagram. Like UDP, it drops what it cannot send.
func (o *outward) Write(b []byte) (int, error) {
	if len(b) < 3 || b[2] != 0 { // a fragment
		return len(b), nil
	}
	to, data, ok := parseDestination(b[3:])
	if !ok || to.Check() != nil || to.Port == 0 {
		return len(b), nil
	}
	a, ok := o.lookup(to)
	if !ok {
		return len(b), nil
	}
	if o.udp.Domain() == socket.Inet6 {
		a = netip.AddrFrom16(a.As16())
	}
	m := socket.Message{Peer: socket.InetName(netip.AddrPortFrom(a, to.Port))}
	if o.permit(to.Host, m.Peer) == nil {
		m.SetData(data)
		o.udp.Send(&m)
	}
	if o.ctx.Err() != nil {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

// lookup returns the address of a host.
func (o *outward) lookup(to proxy.Destination) (netip.Addr, bool) {
	if a, literal := to.Addr(); literal {
		return a.Unmap(), true
	}
	now := time.Now()
	if had, ok := o.names[to.Host]; ok && now.Before(had.until) {
		return had.addr, had.addr.IsValid()
	}
	var f found
	names, _ := lookup(o.ctx, to)
	for _, n := range names {
		if a := n.AddrPort().Addr().Unmap(); a.Is4() || o.udp.Domain() == socket.Inet6 {
			f.addr = a
			break
		}
	}
	f.until = now.Add(keepNames)
	if len(o.names) >= mostNames {
		clear(o.names)
	}
	o.names[to.Host] = f
	return f.addr, f.addr.IsValid()
}

// The size of the header of a datagram from an IPv4 and from an IPv6 address.
const (
	header4 = 10
	header6 = 22

	leastHeader = 3 + 1 + 1 + 2 // with an empty name
)

// Read receives the next answer, and puts a header before it.
func (o *outward) Read(b []byte) (int, error) {
	if len(b) < header6 {
		return 0, socket.ErrTruncated
	}
	o.in.SetData(b[header4:])
	err := o.udp.Receive(&o.in)
	if err != nil && !errors.Is(err, socket.ErrTruncated) {
		return 0, err
	}
	from, n := o.in.Peer.AddrPort(), header4+o.in.N
	if !from.Addr().Unmap().Is4() {
		n = header6 + copy(b[header6:], b[header4:n]) // the longest datagrams lose their last bytes
	}
	appendBound(append(b[:0], 0, 0, 0), from)
	return n, err
}

// Abort implements [socket.Aborter].
func (o *outward) Abort() error { return o.Close() }

func (o *outward) Close() error {
	o.end()
	return o.udp.Close()
}
