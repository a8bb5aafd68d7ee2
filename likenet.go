package zocalo

import (
	"context"
	"net"

	"zocalo/address"
	"zocalo/socket"
)

// netNames are the networks of package net that have other words here.
var netNames = map[string]string{"unixgram": "unix-dgram", "unixpacket": "unix-seqpacket"}

// DialContext connects as the method of a net.Dialer does: for http.Transport and
// others that take such a func. The network is one of package net's, or any scheme
// that this program has, with its layers, as "tls+tcp"; the address is its endpoint,
// and no options are read from it. On an error the net.Conn is nil.
func (d *Dialer) DialContext(ctx context.Context, network, endpoint string) (net.Conn, error) {
	if ours, ok := netNames[network]; ok {
		network = ours
	}
	s, err := d.Dial(ctx, network+"://"+address.Escape(endpoint))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ListenPacket listens on the address with a zero [ListenConfig].
func ListenPacket(ctx context.Context, text string) (net.PacketConn, error) {
	return new(ListenConfig).ListenPacket(ctx, text)
}

// ListenPacket binds a socket of datagrams to the address, for those who take a
// net.PacketConn; see [socket.Socket.PacketConn]. As with package net it is one
// socket: of an address that means several names, as udp:localhost:53, it has the
// first. A kind with connections is refused.
func (c *ListenConfig) ListenPacket(ctx context.Context, text string) (net.PacketConn, error) {
	l, err := c.Listen(ctx, text)
	if err != nil {
		return nil, err
	}
	first := l.sockets[0]
	if t := first.Type(); l.stack != nil || connects(t) {
		l.Close()
		return nil, &socket.UnsupportedError{Feature: "a net.PacketConn on " + text, Needs: "datagrams, as those of udp:"}
	}
	for _, s := range l.sockets[1:] {
		s.Close()
	}
	return first.PacketConn(), nil
}
