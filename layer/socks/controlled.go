package socks

import (
	"io"
	"net"
	"sync"
	"time"

	"zocalo/socket"
)

// past is a deadline that ends any wait.
var past = time.Unix(1, 0)

// controlled is a socket for datagrams that lasts as long as a connection on which nothing
// else is sent: either end of an association (RFC 1928, section 7).
type controlled struct {
	udp     *socket.Socket
	control *socket.Socket
	watched chan struct{}

	mu    sync.Mutex
	ended bool // because control has ended
}

// watch starts watching control.
func (c *controlled) watch() {
	c.watched = make(chan struct{})
	go func() {
		defer close(c.watched)
		io.Copy(io.Discard, struct{ io.Reader }{c.control})
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = true
		c.udp.SetReadDeadline(past)
	}()
}

// over returns err, or io.EOF if the end of control is why reading failed.
func (c *controlled) over(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended && err != nil {
		return io.EOF
	}
	return err
}

func (c *controlled) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	return c.udp.SetReadDeadline(t)
}

func (c *controlled) SetWriteDeadline(t time.Time) error { return c.udp.SetWriteDeadline(t) }

func (c *controlled) Name() socket.Name { return c.udp.Name() }

// Lower implements [socket.Layer].
func (c *controlled) Lower() socket.Endpoint { return c.udp }

// ClosesWhole implements [socket.WholeCloser].
func (c *controlled) ClosesWhole() {}

// Properties implements [socket.Promiser].
func (c *controlled) Properties() socket.Properties {
	return socket.Properties{Connected: true, Bounded: true}
}

func (c *controlled) Close() error { return c.close((*socket.Socket).Close) }

// Abort implements [socket.Aborter].
func (c *controlled) Abort() error { return c.close((*socket.Socket).Abort) }

func (c *controlled) close(control func(*socket.Socket) error) error {
	if err := c.udp.Close(); err != nil {
		return net.ErrClosed
	}
	control(c.control)
	<-c.watched
	return nil
}
