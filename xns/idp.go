package xns

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// datagramQueue is how many packets wait for the reader of a datagram socket;
// more are lost.
const datagramQueue = 256

// datagram is an IDP endpoint.
type datagram struct {
	base
	readable wait.Bell

	queue struct {
		sync.Mutex
		packets  []received // a ring, made when the first comes
		first, n int
		peer     Addr  // only from here, if not zero
		err      error // an Error about what was sent, to be told once
		ended    error // the host is gone
	}
}

// received is a packet that waits for its reader.
type received struct {
	*buffer
	data []byte // a part of the buffer
	from Addr
	kind uint8
}

func newDatagram() *datagram {
	e := &datagram{readable: wait.NewBell()}
	e.init()
	return e
}

func (e *datagram) Bind(n socket.Name) error { return e.bind(context.Background(), n, e) }

// Connect sets the peer; the zero name unsets it.
func (e *datagram) Connect(ctx context.Context, n socket.Name) error {
	l := e.WriteLimits(ctx)
	if err := l.Over(); err != nil {
		return err
	}
	var peer Addr
	if !n.IsZero() {
		var err error
		if peer, err = destination("connect", n); err != nil {
			return err
		}
	}
	if err := e.named(ctx, e); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Ended() {
		return net.ErrClosed
	}
	e.peer = peer
	e.queue.Lock()
	e.queue.peer, e.queue.err = peer, nil
	e.queue.Unlock()
	return nil
}

func (e *datagram) input(h *Header, data []byte, b *buffer) bool {
	if h.Type == TypeSPP {
		e.host.sendError(h, b, errInvalidType, 0)
		return false
	}
	q := &e.queue
	q.Lock()
	defer q.Unlock()
	if q.peer != (Addr{}) && !q.peer.matches(h.From) && !q.peer.Host.isGroup() || q.n == datagramQueue || q.ended != nil {
		return false
	}
	if q.packets == nil {
		q.packets = make([]received, datagramQueue)
	}
	q.packets[(q.first+q.n)%datagramQueue] = received{b, data, h.From, h.Type}
	q.n++
	e.readable.Ring()
	return true
}

// failed keeps the errno of an Error for the next call, as a connected
// datagram socket of the Internet does.
func (e *datagram) failed(f *fault) {
	errno, ok := faultErrnos[f.number]
	if !ok {
		return
	}
	e.queue.Lock()
	defer e.queue.Unlock()
	if e.queue.peer.matches(f.header.To) {
		e.queue.err = errno
		e.readable.Ring()
	}
}

func (e *datagram) hostClosed() {
	e.queue.Lock()
	defer e.queue.Unlock()
	e.queue.ended = syscall.ENETDOWN
	e.readable.Ring()
}

// take returns the oldest packet, and leaves it only if it is to be peeked at.
func (e *datagram) take(peek bool) (r received, ready bool, err error) {
	q := &e.queue
	q.Lock()
	defer q.Unlock()
	switch {
	case q.err != nil:
		err, q.err = q.err, nil
		e.readable.Ring()
		return r, true, err
	case q.n == 0:
		if q.ended != nil {
			e.readable.Ring()
		}
		return r, q.ended != nil, q.ended
	}
	r = q.packets[q.first]
	if peek {
		kept := newBuffer()
		kept.n, kept.via = copy(kept.data[:], r.data), r.via
		r.buffer, r.data = kept, kept.bytes()
	} else {
		q.packets[q.first] = received{}
		q.first = (q.first + 1) % datagramQueue
		q.n--
	}
	if q.n > 0 || q.ended != nil {
		e.readable.Ring()
	}
	return r, true, nil
}

func (e *datagram) wait(peek bool) (r received, err error) {
	l := e.ReadLimits(context.Background())
	err = l.Await(e.readable, "read", func() (ready bool, err error) {
		r, ready, err = e.take(peek)
		return ready, err
	})
	return r, err
}

func (e *datagram) Read(b []byte) (int, error) {
	r, err := e.wait(false)
	if err != nil {
		return 0, err
	}
	n, size := copy(b, r.data), len(r.data)
	r.free()
	if n < size {
		return n, socket.ErrTruncated
	}
	return n, nil
}

func (e *datagram) Receive(m *socket.Message) error {
	peek := m.Flags&socket.Peek != 0
	clearMessage(m)
	r, err := e.wait(peek)
	if err != nil {
		return err
	}
	m.N, m.Size, m.Peer = scatter(m.Buffers, 0, r.data), len(r.data), r.from.Name()
	m.Via = r.via
	if r.kind != 0 {
		setControl(m, LevelIDP, ControlPacketType, r.kind)
	}
	r.free()
	if m.N < m.Size {
		m.Flags |= socket.Truncated
		return socket.ErrTruncated
	}
	return nil
}

func (e *datagram) Write(b []byte) (int, error) {
	buffers := [1][]byte{b}
	return e.transmit(buffers[:], socket.Name{}, -1, false)
}

func (e *datagram) Writev(buffers [][]byte) (int64, error) {
	n, err := e.transmit(buffers, socket.Name{}, -1, false)
	return int64(n), err
}

func (e *datagram) Send(m *socket.Message) (int, error) {
	if err := refuseExtras(m, socket.EndOfRecord|socket.DontRoute); err != nil {
		return 0, err
	}
	kind, err := controlOf(m, LevelIDP, ControlPacketType)
	if err != nil {
		return 0, err
	}
	return e.transmit(m.Buffers, m.Peer, kind, m.Flags&socket.DontRoute != 0)
}

// transmit sends a packet, of the socket's own type if kind is negative, and
// to no gateway if direct.
func (e *datagram) transmit(buffers [][]byte, n socket.Name, kind int, direct bool) (int, error) {
	l := e.WriteLimits(context.Background())
	if err := l.Over(); err != nil {
		return 0, err
	}
	if err := e.named(context.Background(), e); err != nil {
		return 0, err
	}
	size := total(buffers)
	h, host, gateway, err := e.header(n, size)
	if err != nil {
		return 0, err
	}
	if kind >= 0 {
		h.Type = uint8(kind)
	}
	if direct {
		gateway = HostID{}
	}
	if err := host.sendData(h, buffers, gateway); err != nil {
		return 0, err
	}
	return size, nil
}

// header returns that of a packet of so much data to a name, the zero name
// meaning the peer.
func (e *datagram) header(n socket.Name, size int) (h Header, host *Host, gateway HostID, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Ended() {
		return h, nil, gateway, net.ErrClosed
	}
	to := e.peer
	if !n.IsZero() {
		if to, err = destination("sendto", n); err != nil {
			return h, nil, gateway, err
		}
	}
	if to == (Addr{}) {
		return h, nil, gateway, os.NewSyscallError("sendto", syscall.ENOTCONN)
	}
	if to.Host.isGroup() && !e.config.broadcast {
		return h, nil, gateway, &socket.HintError{Err: os.NewSyscallError("sendto", syscall.EACCES), Hint: "to send to every host, give the option broadcast"}
	}
	if size > e.config.limit() {
		return h, nil, gateway, os.NewSyscallError("sendto", syscall.EMSGSIZE)
	}
	if err = e.pending(); err != nil {
		return h, nil, gateway, err
	}
	if to.Net == 0 {
		to.Net = e.host.Network()
	}
	h = Header{Unchecked: !e.config.checked, Type: e.config.packetType, To: to, From: e.host.local(e.name.Socket)}
	return h, e.host, e.config.gateway, nil
}

// pending returns, once, the errno of an Error about a packet before.
func (e *datagram) pending() error {
	e.queue.Lock()
	defer e.queue.Unlock()
	err := e.queue.err
	e.queue.err = nil
	if err == nil {
		err = e.queue.ended
	}
	if err != nil {
		return os.NewSyscallError("sendto", err.(syscall.Errno))
	}
	return nil
}

// limit is the most bytes of a message.
func (c *config) limit() int {
	if c.mtu > 0 {
		return c.mtu
	}
	return DefaultPacket - HeaderSize
}

// Close discards what was received and not read.
func (e *datagram) Close() error {
	if err := e.shut(); err != nil {
		return err
	}
	e.mu.Lock()
	if e.name.Socket != 0 {
		e.host.remove(e.name.Socket, e)
	}
	e.mu.Unlock()
	defer e.detach()
	q := &e.queue
	q.Lock()
	defer q.Unlock()
	q.ended = syscall.ENETDOWN
	for ; q.n > 0; q.n-- {
		q.packets[q.first].free()
		q.packets[q.first] = received{}
		q.first = (q.first + 1) % datagramQueue
	}
	return nil
}
