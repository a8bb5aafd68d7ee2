package socks

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"zocalo/layer/internal/prefix"
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
	"zocalo/socket/option"
)

// An association is the side of UDP ASSOCIATE that faces the client. The client's datagrams
// pass with their headers, which an [outward] reads.
type association struct {
	controlled
	conn   *proxy.Conn
	client netip.Addr // the only source of datagrams
	port   uint16     // 0 until the first datagram
	peer   atomic.Pointer[socket.Name]
	reply  func(bound netip.AddrPort, err error) error
	m      socket.Message
}

// newAssociation makes the association that a peer asks for. from is where the peer says
// it will send from; often it does not say.
func newAssociation(c *proxy.Conn, from proxy.Destination, user string, reply func(netip.AddrPort, error) error) (*socket.Socket, error) {
	own, client := c.Lower.Internet()
	if !own.IsValid() {
		return nil, deny5(c, 7, errors.New("the peer asks for UDP ASSOCIATE over a connection that is not TCP"))
	}
	at := own.Addr()
	udp, err := bound(at)
	if err != nil {
		return nil, deny5(c, 1, err)
	}
	a := &association{conn: c, client: client.Addr().Unmap(), reply: reply}
	a.udp, a.control = udp, c.Lower
	if h, literal := from.Addr(); literal && (h.IsUnspecified() || h == a.client) {
		a.port = from.Port
	}
	a.watch()
	return c.Layer.Wrap(a, udp), nil
}

// bound returns a UDP socket that is bound to an address.
func bound(a netip.Addr) (*socket.Socket, error) {
	n := socket.InetName(netip.AddrPortFrom(a, 0))
	s, err := socket.New(n.Domain(), socket.Datagram, 0)
	if err != nil {
		return nil, err
	}
	if a.Is6() && a.IsUnspecified() {
		option.V6Only.Set(s, false) // the default depends on the system
	}
	if err := s.Bind(n); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (a *association) Peer() socket.Name { return a.control.Peer() }

// Read receives the next datagram of the client. If its port is unknown, that of the first
// datagram is its port from then on.
func (a *association) Read(b []byte) (int, error) {
	for {
		a.m.SetData(b)
		if err := a.udp.Receive(&a.m); err != nil {
			return a.m.N, a.over(err)
		}
		from := a.m.Peer.AddrPort()
		if from.Addr().Unmap().WithZone("") != a.client.WithZone("") || a.port != 0 && from.Port() != a.port {
			continue
		}
		if a.peer.Load() == nil {
			name := a.m.Peer
			a.port = from.Port()
			a.peer.Store(&name)
		}
		return a.m.N, nil
	}
}

// Write sends the client a datagram. Before the client has sent one, its port is unknown,
// and the datagram is dropped.
func (a *association) Write(b []byte) (int, error) {
	to := a.peer.Load()
	if to == nil {
		return len(b), nil
	}
	m := socket.Message{Peer: *to}
	m.SetData(b)
	return a.udp.Send(&m)
}

// Requested implements [socket.Requester].
func (a *association) Requested() socket.Request {
	return socket.Request{Target: "udp", Open: func(ctx context.Context, refuse func(socket.Name) error) (*socket.Socket, error) {
		return newOutward(a.conn, refuse)
	}}
}

// Answer implements [socket.Requester]: it tells the client where to send to.
func (a *association) Answer(_ socket.Name, why error) error {
	at := a.udp.Name().AddrPort()
	if a.conn.Advertise.IsValid() {
		at = netip.AddrPortFrom(a.conn.Advertise, at.Port())
	}
	if why != nil {
		at = netip.AddrPort{}
	}
	err := a.reply(at, why)
	if err == nil && why != nil {
		prefix.Finish(a.control)
	}
	return err
}
