package socks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"zocalo/layer/internal/prefix"
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// associate has a proxy forward datagrams. lower is a UDP socket that is connected to the
// proxy's endpoint; the proxy is asked over TCP there where to send them.
func (c *client) associate(ctx context.Context, lower *socket.Socket) (*socket.Socket, error) {
	to, err := c.destination(ctx)
	if err != nil {
		return nil, err
	}
	at := lower.Peer()
	control, err := socket.New(at.Domain(), socket.Stream, 0)
	if err != nil {
		return nil, err
	}
	if err := c.begin(ctx, control, lower, at); err != nil {
		control.Close()
		return nil, err
	}
	d := &datagrams{header: appendDestination([]byte{0, 0, 0}, to)}
	d.udp, d.control = lower, control
	d.watch()
	return c.version.Wrap(d, lower), nil
}

// begin asks over control, and connects lower to where the answer says.
func (c *client) begin(ctx context.Context, control, lower *socket.Socket, at socket.Name) error {
	if err := control.Connect(ctx, at); err != nil {
		return fmt.Errorf("asking the proxy over TCP: %w", err)
	}
	return prefix.Within(ctx, control, func() error {
		bound, err := c.ask5(control, associateCommand, proxy.Destination{Host: "0.0.0.0"})
		if err != nil {
			return err
		}
		a, literal := bound.Addr()
		if !literal {
			return fmt.Errorf("the proxy wants datagrams sent to %q, which is not an address", bound.Host)
		}
		if a.IsUnspecified() { // which means the proxy's own
			a = at.AddrPort().Addr()
		}
		if a = a.Unmap(); at.Domain() == socket.Inet6 {
			a = netip.AddrFrom16(a.As16())
		}
		return lower.Connect(ctx, socket.InetName(netip.AddrPortFrom(a, bound.Port)))
	})
}

// datagrams is the socket of a client whose proxy forwards datagrams to one destination.
type datagrams struct {
	controlled
	header []byte // of each datagram sent

	head [header4]byte // of the datagram received last
	tail [longest]byte // room for data that a longer header displaces
	m    socket.Message
}

func (d *datagrams) Peer() socket.Name { return d.udp.Peer() }

func (d *datagrams) Write(b []byte) (int, error) {
	n, err := d.udp.Writev([][]byte{d.header, b})
	return max(0, int(n)-len(d.header)), err
}

// Read receives the next datagram without its header, and drops those with a malformed
// one.
func (d *datagrams) Read(b []byte) (int, error) {
	for {
		d.m.Buffers = append(d.m.Buffers[:0], d.head[:], b, d.tail[:])
		if err := d.udp.Receive(&d.m); err != nil && !errors.Is(err, socket.ErrTruncated) {
			return 0, d.over(err)
		}
		data := d.m.N - d.headerSize()
		switch {
		case d.m.N < leastHeader || d.head[2] != 0 || data < 0 || d.headerSize() == 0:
			continue
		case data > len(b):
			data = len(b)
			d.shift(b, d.headerSize()-header4)
			return data, socket.ErrTruncated
		}
		d.shift(b, d.headerSize()-header4)
		return data, nil
	}
}

// headerSize is that of the datagram received last, 0 if its address type is unknown.
func (d *datagrams) headerSize() int {
	switch d.head[3] {
	case v4Address:
		return header4
	case v6Address:
		return header6
	case hostName:
		return 3 + 1 + 1 + int(d.head[4]) + 2
	}
	return 0
}

// shift drops the first by bytes of b and fills it up from the tail. If by is negative,
// it puts that many bytes of the head before b.
func (d *datagrams) shift(b []byte, by int) {
	switch {
	case by == 0:
		return
	case by < 0:
		if -by < len(b) {
			copy(b[-by:], b)
		}
		copy(b, d.head[header4+by:])
		return
	}
	n := 0
	if by < len(b) {
		n = copy(b, b[by:])
	}
	copy(b[n:], d.tail[max(0, by-len(b)):])
}
