package sockettest

import (
	"context"
	"io"
	"net"
	"os"
	"slices"
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

	// Under mu; of a passive socket the backlog is positive.
	connecting bool
	backlog    int
	pending    []connection // connected, and not yet accepted
	arrived    wait.Bell
	room       wait.Bell
}

func newConnection(t socket.Type) connection {
	var e connection
	if t == socket.Stream {
		e = &memoryStream{}
	} else {
		e = &memorySeqPacket{}
	}
	c := e.base()
	c.init()
	c.self, c.kind, c.writing = e, t, wait.NewTurn()
	c.arrived, c.room = wait.NewBell(), wait.NewBell()
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
	case wait.IsClosed(e.closed):
		return net.ErrClosed
	case e.in != nil || e.connecting:
		return os.NewSyscallError("listen", syscall.EINVAL)
	case e.name.IsZero():
		if err := e.bind(socket.Name{}, e.self); err != nil {
			return err
		}
	}
	if backlog <= 0 || backlog > maxBacklog {
		backlog = maxBacklog
	}
	e.backlog = backlog
	e.room.Ring()
	return nil
}

func (e *memoryConn) Accept(ctx context.Context) (socket.Endpoint, error) {
	e.mu.Lock()
	passive := e.backlog > 0
	e.mu.Unlock()
	if !passive && !wait.IsClosed(e.closed) {
		return nil, os.NewSyscallError("accept", syscall.EINVAL)
	}
	var c connection
	l := e.readLimits(ctx)
	err := l.Await(e.arrived, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(e.pending) == 0 {
			return false
		}
		c = e.pending[0]
		e.pending = slices.Delete(e.pending, 0, 1)
		e.room.Ring()
		if len(e.pending) > 0 {
			e.arrived.Ring()
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// enqueue puts a connection into the backlog of a passive socket.
func (e *memoryConn) enqueue(c connection) (ready bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case wait.IsClosed(e.closed) || e.backlog == 0:
		e.room.Ring()
		return true, syscall.ECONNREFUSED
	case len(e.pending) >= e.backlog:
		return false, nil
	}
	e.pending = append(e.pending, c)
	e.arrived.Ring()
	if len(e.pending) < e.backlog {
		e.room.Ring()
	}
	return true, nil
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
	case wait.IsClosed(e.closed):
		return net.ErrClosed
	case e.in != nil:
		errno = syscall.EISCONN
	case e.connecting:
		errno = syscall.EALREADY
	case e.backlog > 0:
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
	far := newConnection(e.kind)
	var ends memoryConn // this side, until the connection stands
	join(&ends, far.base())
	far.base().name, far.base().peer = peer, e.Name()

	var refused error
	l, lc := e.writeLimits(ctx), listener.base()
	err := l.Await(lc.room, func() (ready bool) {
		ready, refused = lc.enqueue(far)
		return ready
	})
	if err != nil {
		return err
	}
	if refused != nil {
		return os.NewSyscallError("connect", refused)
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	if wait.IsClosed(e.closed) {
		ends.out.finish(io.EOF)
		ends.in.refuse(syscall.EPIPE)
		return net.ErrClosed
	}
	e.in, e.out, e.peer = ends.in, ends.out, peer
	return nil
}

// Shutdown ends one direction: the peer reads io.EOF after what was sent, or
// its writes fail with EPIPE.
func (e *memoryConn) Shutdown(how socket.How) error {
	in, out, err := e.queues("shutdown")
	if err != nil {
		return err
	}
	if how == socket.Write || how == socket.Both {
		out.finish(io.EOF)
		out.refuse(syscall.EPIPE)
	}
	if how == socket.Read || how == socket.Both {
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
	e.mu.Lock()
	pending := e.pending
	e.pending = nil
	e.mu.Unlock()
	e.room.Ring()
	for _, c := range pending {
		c.base().leave(syscall.ECONNRESET, syscall.ECONNRESET)
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
	l := e.readLimits(context.Background())
	if len(b) == 0 {
		return 0, l.Over()
	}
	var fail error
	err = l.Await(in.readable, func() (ready bool) {
		n, ready, fail = in.read(b)
		return ready
	})
	if err == nil && fail != nil {
		err = readError(fail)
	}
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
	l := e.writeLimits(context.Background())
	if err := e.writing.Take(&l); err != nil {
		return 0, err
	}
	defer e.writing.Give()
	for _, b := range buffers {
		for len(b) > 0 {
			var k int
			var fail error
			err := l.Await(out.writable, func() (ready bool) {
				k, ready, fail = out.write(b)
				return ready
			})
			if err == nil && fail != nil {
				err = os.NewSyscallError("write", fail)
			}
			n += int64(k)
			if err != nil {
				return n, err
			}
			b = b[k:]
		}
	}
	return n, nil
}

// SendUrgent writes all but the last octet of b as ordinary data, as TCP does,
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
	var fail error
	l := e.writeLimits(context.Background())
	err = l.Await(out.calm, func() (ready bool) {
		ready, fail = out.putUrgent(b[last])
		return ready
	})
	if err == nil && fail != nil {
		err = os.NewSyscallError("send", fail)
	}
	if err != nil {
		return last, err
	}
	return len(b), nil
}

func (e *memoryStream) ReceiveUrgent(ctx context.Context, b []byte) (int, error) {
	in, _, err := e.queues("recv")
	if err != nil {
		return 0, err
	}
	l := e.readLimits(ctx)
	if len(b) == 0 {
		return 0, l.Over()
	}
	var octet byte
	var fail error
	err = l.Await(in.urgent, func() (ready bool) {
		octet, ready, fail = in.takeUrgent()
		return ready
	})
	if err == nil && fail != nil {
		err = readError(fail)
	}
	if err != nil {
		return 0, err
	}
	b[0] = octet
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
	return readMessage(e.readLimits(context.Background()), in, b)
}

func (e *memorySeqPacket) Receive(m *socket.Message) error {
	in, _, err := e.queues("recvmsg")
	if err != nil {
		return err
	}
	if err := receiveMessage(e.readLimits(context.Background()), in, m, e.Peer()); err != nil {
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
	return sendMessage(e.writeLimits(context.Background()), out, buffers, nil, socket.Name{})
}
