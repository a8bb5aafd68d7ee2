package xns

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// spp is an SPP endpoint: a socket of type Stream or SeqPacket.
type spp struct {
	base
	stream  bool
	writing wait.Turn // of the writers of a stream

	// Under mu, at most one of them.
	conn     *conn // connected
	dialing  *conn
	listener *listener
	spoilt   bool // connecting failed: good only for Close
}

// newSPP makes an endpoint whose methods suit the type.
func newSPP(stream bool) socket.Endpoint {
	e := &spp{stream: stream}
	e.init()
	if stream {
		return &sppStream{e}
	}
	return &sppSeqPacket{e}
}

// sppOf returns what is in an endpoint of newSPP.
func sppOf(e socket.Endpoint) *spp {
	if s, ok := e.(*sppStream); ok {
		return s.spp
	}
	return e.(*sppSeqPacket).spp
}

func (e *spp) Bind(n socket.Name) error { return e.bind(context.Background(), n, e) }

// input refuses packets while the socket has a name and nothing else.
func (e *spp) input(h *Header, _ []byte, b *buffer) bool {
	e.host.sendError(h, b, errNoSocket, 0)
	return false
}

func (e *spp) failed(*fault) {}
func (e *spp) hostClosed()   {}

func (e *spp) Listen(backlog int) error {
	if err := e.named(context.Background(), e); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.Ended():
		return net.ErrClosed
	case e.listener != nil:
		e.listener.setBacklog(backlog)
		return nil
	case e.conn != nil, e.dialing != nil, e.spoilt:
		return os.NewSyscallError("listen", syscall.EINVAL)
	}
	l := &listener{host: e.host, shared: e.shared, number: e.name.Socket, config: e.config, stream: e.stream, arrived: wait.NewBell()}
	l.setBacklog(backlog)
	if !e.host.replace(l.number, e, l) {
		return os.NewSyscallError("listen", syscall.ENETDOWN)
	}
	e.listener = l
	return nil
}

func (e *spp) Accept(ctx context.Context) (socket.Endpoint, error) {
	e.mu.Lock()
	l := e.listener
	e.mu.Unlock()
	if l == nil {
		if e.Ended() {
			return nil, net.ErrClosed
		}
		return nil, os.NewSyscallError("accept", syscall.EINVAL)
	}
	var c *conn
	limits := e.ReadLimits(ctx)
	if err := limits.Await(l.arrived, "accept", func() (ready bool, err error) {
		c, ready, err = l.take()
		return ready, err
	}); err != nil {
		return nil, err
	}
	made := newSPP(e.stream)
	a := sppOf(made)
	a.host, a.conn, a.config = c.host, c, c.config
	if l.shared != nil && shared.retain(l.shared) {
		a.shared = l.shared
	}
	a.name, a.via = c.local, c.via
	_, a.peer, _ = c.outcome()
	if a.peer == (Addr{}) { // it has ended already
		a.peer = c.peerOf()
	}
	return made, nil
}

// peerOf returns the peer.
func (c *conn) peerOf() Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer
}

// Connect asks the peer for a connection and waits for its answer, at most 75
// seconds.
func (e *spp) Connect(ctx context.Context, n socket.Name) error {
	to, err := destination("connect", n)
	if err != nil {
		return err
	}
	if to.Host.isGroup() {
		return os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)
	}
	l := e.WriteLimits(ctx)
	if err := l.Over(); err != nil {
		return err
	}
	if err := e.mayConnect(); err != nil {
		return err
	}
	if err := e.named(ctx, e); err != nil {
		return err
	}
	c, err := e.startConnect()
	if err != nil {
		return err
	}
	err = c.connect(to)
	var peer Addr
	if err == nil {
		err = l.Await(c.changed, "connect", func() (over bool, err error) {
			over, peer, err = c.outcome()
			return over, err
		})
	}
	return e.endConnect(c, peer, err)
}

func (e *spp) mayConnect() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errno syscall.Errno
	switch {
	case e.Ended():
		return net.ErrClosed
	case e.conn != nil:
		errno = syscall.EISCONN
	case e.dialing != nil:
		errno = syscall.EALREADY
	case e.listener != nil:
		errno = syscall.EOPNOTSUPP
	case e.spoilt:
		errno = syscall.EINVAL
	default:
		return nil
	}
	return os.NewSyscallError("connect", errno)
}

// startConnect makes a connection that is in the host's table, and nothing
// more yet.
func (e *spp) startConnect() (*conn, error) {
	if err := e.mayConnect(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c := newConn(e.host, e.config, e.stream)
	c.local = e.name
	if e.Ended() {
		return nil, net.ErrClosed
	}
	if !e.host.replace(e.name.Socket, e, c) {
		return nil, os.NewSyscallError("connect", syscall.ENETDOWN)
	}
	if e.shared != nil && shared.retain(e.shared) {
		c.held = e.shared
	}
	e.dialing = c
	return c, nil
}

func (e *spp) endConnect(c *conn, peer Addr, err error) error {
	e.mu.Lock()
	e.dialing = nil
	closed := e.Ended()
	if err == nil && !closed {
		e.conn, e.peer = c, peer
	} else {
		e.spoilt = true
	}
	e.mu.Unlock()
	switch {
	case err == nil && closed:
		c.finish()
		return net.ErrClosed
	case err != nil:
		c.abort()
		return wait.Syscall("connect", err)
	}
	return nil
}

// connected returns the connection, or says that there is none.
func (e *spp) connected(call string) (*conn, uint8, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.Ended():
		return nil, 0, net.ErrClosed
	case e.conn == nil:
		return nil, 0, os.NewSyscallError(call, syscall.ENOTCONN)
	}
	return e.conn, e.config.datastream, nil
}

// ClosesWhole implements socket.WholeCloser.
func (e *spp) ClosesWhole() {}

// Acknowledged implements socket.Acknowledger.
func (e *spp) Acknowledged() bool {
	c, _, err := e.connected("write")
	return err != nil || c.hasAll()
}

// Close ends the endpoint at once. What was written is still delivered, and
// the connection closed as the peer expects it, in the background; Close waits
// a little for that (see [Linger]), so that a program may end after it.
func (e *spp) Close() error {
	if err := e.shut(); err != nil {
		return err
	}
	e.mu.Lock()
	c, dialing, l, host, number := e.conn, e.dialing, e.listener, e.host, e.name.Socket
	linger := e.config.linger
	e.mu.Unlock()
	switch {
	case dialing != nil:
		dialing.abort()
	case l != nil:
		l.close()
	case c != nil:
		if c.finish() && linger > 0 {
			t := time.NewTimer(linger)
			select {
			case <-c.gone:
			case <-t.C:
			}
			t.Stop()
		}
	case number != 0:
		host.remove(number, e)
	}
	e.detach()
	return nil
}

// Abort closes by a reset.
func (e *spp) Abort() error {
	e.mu.Lock()
	c := e.conn
	e.mu.Unlock()
	if c != nil && !e.Ended() {
		c.abort()
	}
	return e.Close()
}

// SendUrgent sends the last byte of b as an attention, ahead of all that
// waits; on a stream the bytes before it are ordinary ones.
func (e *spp) SendUrgent(b []byte) (int, error) {
	c, datastream, err := e.connected("send")
	if err != nil || len(b) == 0 {
		return 0, err
	}
	last := len(b) - 1
	if last > 0 {
		if !e.stream {
			return 0, os.NewSyscallError("send", syscall.EMSGSIZE)
		}
		if n, err := e.writeStream([][]byte{b[:last]}); err != nil {
			return int(n), err
		}
	}
	l := e.WriteLimits(context.Background())
	if err := l.Await(c.writable, "send", func() (bool, error) { return c.putUrgent(b[last], datastream) }); err != nil {
		return last, err
	}
	return len(b), nil
}

func (e *spp) ReceiveUrgent(ctx context.Context, b []byte) (int, error) {
	c, _, err := e.connected("recv")
	if err != nil {
		return 0, err
	}
	l := e.ReadLimits(ctx)
	if len(b) == 0 {
		return 0, l.Over()
	}
	if err := l.Await(c.urgency, "recv", func() (ready bool, err error) {
		b[0], ready, err = c.takeUrgent()
		return ready, err
	}); err != nil {
		return 0, err
	}
	return 1, nil
}

func (e *spp) AtMark() (bool, error) {
	c, _, err := e.connected("ioctl")
	if err != nil {
		return false, err
	}
	return c.atMark(), nil
}

// writeStream writes all of the buffers as bytes of a stream.
func (e *spp) writeStream(buffers [][]byte) (n int64, err error) {
	c, datastream, err := e.connected("write")
	if err != nil {
		return 0, err
	}
	l := e.WriteLimits(context.Background())
	if err := e.writing.Take(&l); err != nil {
		return 0, err
	}
	defer e.writing.Give()
	for _, b := range buffers {
		for first := true; len(b) > 0 || first; first = false {
			var k int
			err := l.Await(c.writable, "write", func() (ready bool, err error) {
				k, ready, err = c.putStream(b, datastream)
				return ready, err
			})
			n += int64(k)
			if err != nil {
				return n, err
			}
			b = b[k:]
		}
	}
	return n, nil
}
