package sockettest

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// connection is either of the types that have connections.
type connection interface {
	socket.Endpoint
	base() *memoryConn
}

// memoryConn is what both of them have: the way to a connection, and its end.
type memoryConn struct {
	memory
	self    connection
	kind    socket.Type
	writing wait.Turn

	// Under mu.
	connecting bool
	backlog    *wait.Backlog[connection] // of a passive socket
}

func newConnection(t socket.Type) connection {
	var e connection
	if t == socket.Stream {
		e = &memoryStream{}
	} else {
		e = &memorySeqPacket{}
	}
	c := e.base()
	c.Init()
	c.self, c.kind = e, t
	return e
}

func (e *memoryConn) base() *memoryConn { return e }

// join connects two endpoints that nobody else knows yet.
func join(a, b *memoryConn) {
	there, back := newQueue(), newQueue()
	a.in, a.out = back, there
	b.in, b.out = there, back
}

func (e *memoryConn) Bind(n socket.Name) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bind(n, e.self)
}

func (e *memoryConn) Listen(backlog int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.Ended():
		return net.ErrClosed
	case e.in != nil || e.connecting:
		return os.NewSyscallError("listen", syscall.EINVAL)
	case e.name.IsZero():
		if err := e.bind(socket.Name{}, e.self); err != nil {
			return err
		}
	}
	if e.backlog == nil {
		e.backlog = wait.NewBacklog[connection](backlog)
	}
	e.backlog.Resize(backlog)
	return nil
}

func (e *memoryConn) Accept(ctx context.Context) (socket.Endpoint, error) {
	backlog := e.passive()
	if backlog == nil {
		if e.Ended() {
			return nil, net.ErrClosed
		}
		return nil, os.NewSyscallError("accept", syscall.EINVAL)
	}
	var c connection
	l := e.ReadLimits(ctx)
	err := l.Await(backlog.Arrived, "accept", func() (ready bool, err error) {
		c, ready = backlog.Take()
		return ready, nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// passive returns the queue of a passive socket, nil for another one.
func (e *memoryConn) passive() *wait.Backlog[connection] {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.backlog
}

// Connect returns once the connection stands in the listener's queue.
func (e *memoryConn) Connect(ctx context.Context, peer socket.Name) error {
	if err := e.startConnect(peer); err != nil {
		return err
	}
	err := e.connect(ctx, peer)
	e.mu.Lock()
	e.connecting = false
	e.mu.Unlock()
	return err
}

func (e *memoryConn) startConnect(peer socket.Name) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errno syscall.Errno
	switch {
	case e.Ended():
		return net.ErrClosed
	case e.in != nil:
		errno = syscall.EISCONN
	case e.connecting:
		errno = syscall.EALREADY
	case e.backlog != nil:
		errno = syscall.EOPNOTSUPP
	case peer.Domain() != Memory:
		errno = syscall.EAFNOSUPPORT
	default:
		if e.name.IsZero() {
			if err := e.bind(socket.Name{}, e.self); err != nil {
				return err
			}
		}
		e.connecting = true
		return nil
	}
	return os.NewSyscallError("connect", errno)
}

func (e *memoryConn) connect(ctx context.Context, peer socket.Name) error {
	found := names.find(peer)
	listener, ok := found.(connection)
	switch {
	case found == nil:
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case !ok || listener.base().kind != e.kind:
		return os.NewSyscallError("connect", syscall.EPROTOTYPE)
	}
	backlog := listener.base().passive()
	if backlog == nil {
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	far := newConnection(e.kind)
	var ends memoryConn // this side, until the connection stands
	join(&ends, far.base())
	far.base().name, far.base().peer = peer, e.Name()

	l := e.WriteLimits(ctx)
	if err := l.Await(backlog.Room, "connect", func() (bool, error) {
		ready, err := backlog.Put(far)
		if err != nil {
			err = syscall.ECONNREFUSED
		}
		return ready, err
	}); err != nil {
		return err
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Ended() {
		ends.out.finish(io.EOF)
		ends.in.refuse(syscall.EPIPE)
		return net.ErrClosed
	}
	e.in, e.out, e.peer = ends.in, ends.out, peer
	return nil
}

// Shutdown ends one direction: the peer reads io.EOF after what was sent, or
// its writes fail with EPIPE.
func (e *memoryConn) Shutdown(how socket.ShutdownHow) error {
	in, out, err := e.queues("shutdown")
	if err != nil {
		return err
	}
	if how == socket.ShutdownWrite || how == socket.ShutdownBoth {
		out.finish(io.EOF)
		out.refuse(syscall.EPIPE)
	}
	if how == socket.ShutdownRead || how == socket.ShutdownBoth {
		in.finish(io.EOF)
		in.refuse(syscall.EPIPE)
	}
	return nil
}

func (e *memoryConn) Close() error { return e.leave(io.EOF, syscall.EPIPE) }

// Abort closes by a reset.
func (e *memoryConn) Abort() error { return e.leave(syscall.ECONNRESET, syscall.ECONNRESET) }

// leave closes the endpoint; the peer's reads and writes end as it says.
// Connections in the queue of a passive socket are reset.
func (e *memoryConn) leave(end, refusal error) error {
	in, out, err := e.close()
	if err != nil {
		return err
	}
	if in != nil {
		out.finish(end)
		in.refuse(refusal)
	}
	if backlog := e.passive(); backlog != nil {
		for _, c := range backlog.Close() {
			c.base().leave(syscall.ECONNRESET, syscall.ECONNRESET)
		}
	}
	return nil
}

// memoryStream is an endpoint of type Stream.
type memoryStream struct{ memoryConn }

func (e *memoryStream) Read(b []byte) (n int, err error) {
	in, _, err := e.queues("read")
	if err != nil {
		return 0, err
	}
	l := e.ReadLimits(context.Background())
	if len(b) == 0 {
		return 0, l.Over()
	}
	err = l.Await(in.readable, "read", func() (ready bool, err error) {
		n, ready, err = in.read(b)
		return ready, err
	})
	return n, err
}

func (e *memoryStream) Write(b []byte) (int, error) {
	buffers := [1][]byte{b}
	n, err := e.Writev(buffers[:])
	return int(n), err
}

func (e *memoryStream) Writev(buffers [][]byte) (n int64, err error) {
	_, out, err := e.queues("write")
	if err != nil {
		return 0, err
	}
	l := e.WriteLimits(context.Background())
	if err := e.writing.Take(&l); err != nil {
		return 0, err
	}
	defer e.writing.Give()
	for _, b := range buffers {
		for len(b) > 0 {
			var k int
			err := l.Await(out.writable, "write", func() (ready bool, err error) {
				k, ready, err = out.write(b)
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

// SendUrgent writes all but the last byte of b as ordinary data, as TCP does,
// and the last as urgent.
func (e *memoryStream) SendUrgent(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	last := len(b) - 1
	if n, err := e.Write(b[:last]); err != nil {
		return n, err
	}
	_, out, err := e.queues("send")
	if err != nil {
		return last, err
	}
	l := e.WriteLimits(context.Background())
	if err := l.Await(out.calm, "send", func() (bool, error) { return out.putUrgent(b[last]) }); err != nil {
		return last, err
	}
	return len(b), nil
}

func (e *memoryStream) ReceiveUrgent(ctx context.Context, b []byte) (int, error) {
	in, _, err := e.queues("recv")
	if err != nil {
		return 0, err
	}
	l := e.ReadLimits(ctx)
	if len(b) == 0 {
		return 0, l.Over()
	}
	if err := l.Await(in.urgent, "read", func() (ready bool, err error) {
		b[0], ready, err = in.takeUrgent()
		return ready, err
	}); err != nil {
		return 0, err
	}
	return 1, nil
}

func (e *memoryStream) AtMark() (bool, error) {
	in, _, err := e.queues("ioctl")
	if err != nil {
		return false, err
	}
	return in.atMark(), nil
}

// memorySeqPacket is an endpoint of type SeqPacket.
type memorySeqPacket struct{ memoryConn }

func (e *memorySeqPacket) Read(b []byte) (int, error) {
	in, _, err := e.queues("read")
	if err != nil {
		return 0, err
	}
	return readMessage(e.ReadLimits(context.Background()), in, b)
}

func (e *memorySeqPacket) Receive(m *socket.Message) error {
	in, _, err := e.queues("recvmsg")
	if err != nil {
		return err
	}
	if err := receiveMessage(e.ReadLimits(context.Background()), in, m, e.Peer()); err != nil {
		return err
	}
	m.Flags |= socket.EndOfRecord
	return nil
}

func (e *memorySeqPacket) Write(b []byte) (int, error) {
	buffers := [1][]byte{b}
	return e.send(buffers[:])
}

func (e *memorySeqPacket) Writev(buffers [][]byte) (int64, error) {
	n, err := e.send(buffers)
	return int64(n), err
}

func (e *memorySeqPacket) Send(m *socket.Message) (int, error) {
	if err := plain(m); err != nil {
		return 0, err
	}
	if !m.Peer.IsZero() && m.Peer != e.Peer() {
		return 0, os.NewSyscallError("sendmsg", syscall.EISCONN)
	}
	return e.send(m.Buffers)
}

func (e *memorySeqPacket) send(buffers [][]byte) (int, error) {
	_, out, err := e.queues("sendmsg")
	if err != nil {
		return 0, err
	}
	return sendMessage(e.WriteLimits(context.Background()), out, buffers, nil, socket.Name{})
}
