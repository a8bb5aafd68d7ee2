package sockettest

import (
	"context"
	"net"
	"os"
	"syscall"

	"zocalo/socket"
)

// memoryDatagram is an endpoint of type Datagram. Its queue in is there from
// the start; out is the connected peer's.
type memoryDatagram struct{ memory }

func newDatagram() *memoryDatagram {
	e := &memoryDatagram{}
	e.Init()
	e.in = newQueue()
	return e
}

func (e *memoryDatagram) Bind(n socket.Name) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bind(n, e)
}

// Connect sets the peer, which has to be there, and does not wait. The zero
// name unsets it.
func (e *memoryDatagram) Connect(ctx context.Context, peer socket.Name) error {
	l := e.WriteLimits(ctx)
	if err := l.Over(); err != nil {
		return err
	}
	var out *queue
	if !peer.IsZero() {
		var err error
		if out, err = receiver("connect", peer); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Ended() {
		return net.ErrClosed
	}
	if err := e.named(); err != nil {
		return err
	}
	e.peer, e.out = peer, out
	e.in.admit(out)
	return nil
}

// receiver returns the queue of the datagram socket of that name.
func receiver(call string, n socket.Name) (*queue, error) {
	errno := syscall.EPROTOTYPE
	switch found := names.find(n).(type) {
	case *memoryDatagram:
		return found.in, nil
	case nil:
		errno = syscall.ECONNREFUSED
	}
	if n.Domain() != Memory {
		errno = syscall.EAFNOSUPPORT
	}
	return nil, os.NewSyscallError(call, errno)
}

// named gives the endpoint a name if it has none, so that it can be answered.
// The caller holds mu.
func (e *memoryDatagram) named() error {
	if !e.name.IsZero() {
		return nil
	}
	return e.bind(socket.Name{}, e)
}

func (e *memoryDatagram) Read(b []byte) (int, error) {
	return readMessage(e.ReadLimits(context.Background()), e.in, b)
}

func (e *memoryDatagram) Receive(m *socket.Message) error {
	return receiveMessage(e.ReadLimits(context.Background()), e.in, m, socket.Name{})
}

func (e *memoryDatagram) Write(b []byte) (int, error) {
	buffers := [1][]byte{b}
	return e.send(buffers[:], socket.Name{})
}

func (e *memoryDatagram) Writev(buffers [][]byte) (int64, error) {
	n, err := e.send(buffers, socket.Name{})
	return int64(n), err
}

func (e *memoryDatagram) Send(m *socket.Message) (int, error) {
	if err := plain(m); err != nil {
		return 0, err
	}
	return e.send(m.Buffers, m.Peer)
}

func (e *memoryDatagram) send(buffers [][]byte, to socket.Name) (int, error) {
	out, from, err := e.route(to)
	if err != nil {
		return 0, err
	}
	return sendMessage(e.WriteLimits(context.Background()), out, buffers, e.in, from)
}

// route returns the receiver's queue, and what it will know of the sender.
func (e *memoryDatagram) route(to socket.Name) (out *queue, from socket.Name, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Ended() {
		return nil, from, net.ErrClosed
	}
	if to.IsZero() || to == e.peer {
		if e.out == nil {
			return nil, from, os.NewSyscallError("sendmsg", syscall.ENOTCONN)
		}
		return e.out, e.name, nil
	}
	if err := e.named(); err != nil {
		return nil, from, err
	}
	out, err = receiver("sendmsg", to)
	return out, e.name, err
}

// Close discards what was received and not read. Whoever sends to the endpoint
// is refused from then on.
func (e *memoryDatagram) Close() error {
	in, _, err := e.close()
	if err != nil {
		return err
	}
	in.refuse(syscall.ECONNREFUSED)
	return nil
}
