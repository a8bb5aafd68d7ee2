package fault

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"zocalo/relay"
	"zocalo/relay/join"
)

// PacketConn returns a socket of datagrams over c, which it owns from then on, with the faults of the plan: what is
// written is [Up], what is read [Down]. All peers together are one pair; the first PacketConn of a plan has the number 1, the
// next 2.
//
// A write returns at once: what there is no room for is dropped, and counted ([Plan.Dropped]). What is held when Close is called is
// dropped.
func (p *Plan) PacketConn(c net.PacketConn) net.PacketConn {
	w := &packetConn{PacketConn: c}
	pair := p.sessions.Add(1)
	w.up = p.newLine(pair, relay.A, true, lossy, w.write)
	w.down = p.newLine(pair, relay.B, true, lossy, w.came)
	w.in.init()
	return w
}

// lossy is what datagrams are like.
var lossy = join.LossyMessage()

type packetConn struct {
	net.PacketConn
	up, down *line
	in       inbox
	reading  sync.Once
	closed   sync.Once
}

func (c *packetConn) failed(op string, err error) error {
	a := c.LocalAddr()
	return &net.OpError{Op: op, Net: a.Network(), Source: a, Err: err}
}

func (c *packetConn) write(it *item) error {
	if it.kind != data {
		return c.end(it)
	}
	_, err := c.PacketConn.WriteTo(it.p.Data, it.to)
	if errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	return nil // as a network would, which tells nobody
}

func (c *packetConn) came(it *item) error {
	if it.kind != data {
		return c.end(it)
	}
	return c.in.put(it, true)
}

// end closes the socket for a fault.
func (c *packetConn) end(it *item) error {
	if it.kind != end {
		go c.Close()
	}
	return net.ErrClosed
}

func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	p := lossy
	p.Data = b
	if err := c.up.bring(p, to); err != nil {
		return 0, c.failed("write", err)
	}
	return len(b), nil
}

func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.reading.Do(func() { go c.read() })
	n, from, err := c.in.take(b)
	if err != nil {
		err = c.failed("read", err)
	}
	return n, from, err
}

func (c *packetConn) read() {
	b := make([]byte, 64<<10)
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.PacketConn.SetReadDeadline(time.Time{})
			continue
		case err != nil:
			c.in.end(beneath(err))
			return
		}
		p := lossy
		p.Data = b[:n]
		if c.down.bring(p, from) != nil {
			return
		}
	}
}

// Close ends all calls at once.
func (c *packetConn) Close() error {
	err := c.failed("close", net.ErrClosed)
	c.closed.Do(func() {
		c.in.close()
		c.up.stop()
		c.down.stop()
		err = c.PacketConn.Close()
	})
	return err
}

func (c *packetConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *packetConn) SetReadDeadline(t time.Time) error { return c.in.deadline(t) }

func (c *packetConn) SetWriteDeadline(t time.Time) error {
	c.up.setLate(t)
	return nil
}
