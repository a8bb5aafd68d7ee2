package sockettest

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"

	"zocalo/socket"
	"zocalo/socket/scheme"
	"zocalo/socket/wait"
)

// Memory is the domain of sockets within one process. Its names are any text
// of 1 to 124 bytes. A socket that needs a name and was given none, such as a
// client's, is named by the system "#" and a number.
//
// It has three types, all with protocol 0, and all wait where the receiver is
// slow, so that nothing is ever lost:
//
//   - Stream, with urgent data of one byte. Like ISO's expedited data, and
//     unlike TCP's, it never overwrites itself: SendUrgent waits until the peer
//     has taken the byte before.
//   - Datagram, reliable and ordered as unix(7)'s are. Connect lets in messages
//     of that peer only, and the zero name lets in everybody's again.
//   - SeqPacket.
//
// A queue holds 64 KiB, and 256 messages; the largest message has 64 KiB. A
// listener's backlog is at most 4096, and Connect waits while it is full.
const Memory socket.Domain = 0x100

// RegisterMemory adds the domain [Memory] to package socket, with the schemes
// memory, memory-dgram and memory-seqpacket, whose endpoint is a name. A
// second call does nothing.
func RegisterMemory() { registerMemory() }

var registerMemory = sync.OnceFunc(func() {
	f := &socket.Family{
		Name:       "memory",
		Domains:    map[socket.Domain]string{Memory: "AF_MEMORY"},
		New:        newMemory,
		Pair:       pairMemory,
		FormatName: func(n socket.Name) string { return string(n.AppendData(nil)) },
		KindName: func(k socket.Kind) string {
			if k.Protocol != 0 {
				return ""
			}
			return memoryKinds[k.Type]
		},
		Properties: memoryProperties,
	}
	for _, t := range []socket.Type{socket.Stream, socket.Datagram, socket.SeqPacket} {
		scheme.Register(&scheme.Scheme{
			Name: memoryKinds[t], Endpoint: "name", Doc: t.String() + " sockets within one process", Type: t,
			Resolve: func(_ context.Context, t scheme.Target) ([]socket.Name, error) {
				n, err := MemoryName(t.Endpoint)
				return []socket.Name{n}, err
			},
		})
	}
	socket.Register(f)
})

var memoryKinds = map[socket.Type]string{
	socket.Stream: "memory", socket.Datagram: "memory-dgram", socket.SeqPacket: "memory-seqpacket",
}

func memoryProperties(k socket.Kind) socket.Properties {
	p := socket.Properties{Reliable: true, Ordered: true, Unduplicated: true}
	switch k.Type {
	case socket.Stream:
		p.Connected, p.Urgent = true, 1
	case socket.Datagram:
		p.Bounded = true
	case socket.SeqPacket:
		p.Connected, p.Bounded = true, true
	default:
		return socket.Properties{}
	}
	return p
}

// MemoryName returns the name with that text in domain [Memory]: 1 to 124
// bytes.
func MemoryName(text string) (socket.Name, error) {
	if text == "" {
		return socket.Name{}, fmt.Errorf("an empty name in domain memory: give it a text, such as memory:here")
	}
	return socket.MakeName(Memory, []byte(text))
}

func newMemory(k socket.Kind) (socket.Endpoint, error) {
	if k.Protocol != 0 || memoryKinds[k.Type] == "" {
		return nil, &socket.UnsupportedError{Feature: fmt.Sprintf("type %v with protocol %v in domain memory", k.Type, k.Protocol),
			Needs: "stream, datagram or seqpacket, with protocol 0"}
	}
	if k.Type == socket.Datagram {
		return newDatagram(), nil
	}
	return newConnection(k.Type), nil
}

func pairMemory(k socket.Kind) (a, b socket.Endpoint, err error) {
	if a, err = newMemory(k); err != nil {
		return nil, nil, err
	}
	b, _ = newMemory(k)
	switch x := a.(type) {
	case *memoryDatagram:
		y := b.(*memoryDatagram)
		x.out, y.out = y.in, x.in
		x.in.only, y.in.only = y.in, x.in
	case connection:
		join(x.base(), b.(connection).base())
	}
	return a, b, nil
}

// memory is what the endpoints of all three types have in common.
type memory struct {
	wait.Life

	mu         sync.Mutex
	name, peer socket.Name
	bound      bool   // the name stands in the table, for this endpoint
	in, out    *queue // nil without a connection
}

func (e *memory) Name() socket.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.name
}

func (e *memory) Peer() socket.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peer
}

// close does what closing has in common, the first time.
func (e *memory) close() (in, out *queue, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.End(); err != nil {
		return nil, nil, err
	}
	if e.bound {
		names.remove(e.name)
	}
	return e.in, e.out, nil
}

// queues returns the two directions, or says that there is no connection.
func (e *memory) queues(call string) (in, out *queue, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.Ended():
		return nil, nil, net.ErrClosed
	case e.in == nil:
		return nil, nil, os.NewSyscallError(call, syscall.ENOTCONN)
	}
	return e.in, e.out, nil
}

// bind names the endpoint, whose mu is held by the caller; the zero name lets
// the system choose.
func (e *memory) bind(n socket.Name, self socket.Endpoint) error {
	switch {
	case e.Ended():
		return net.ErrClosed
	case !e.name.IsZero():
		return os.NewSyscallError("bind", syscall.EINVAL)
	case !n.IsZero() && n.Domain() != Memory:
		return os.NewSyscallError("bind", syscall.EAFNOSUPPORT)
	}
	name, err := names.add(n, self)
	if err == nil {
		e.name, e.bound = name, true
	}
	return err
}

// names are those in use, of all types.
var names = table{taken: map[socket.Name]socket.Endpoint{}}

type table struct {
	mu    sync.Mutex
	taken map[socket.Name]socket.Endpoint
	last  uint64 // of the names that the system chose
}

func (t *table) add(n socket.Name, e socket.Endpoint) (socket.Name, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !n.IsZero() {
		if t.taken[n] != nil {
			return n, os.NewSyscallError("bind", syscall.EADDRINUSE)
		}
		t.taken[n] = e
		return n, nil
	}
	for {
		t.last++
		n, _ = socket.MakeName(Memory, strconv.AppendUint([]byte("#"), t.last, 10))
		if t.taken[n] == nil {
			t.taken[n] = e
			return n, nil
		}
	}
}

func (t *table) remove(n socket.Name) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, n)
}

func (t *table) find(n socket.Name) socket.Endpoint {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[n]
}

// receiveMessage waits for a message of q and fills m with it.
func receiveMessage(l wait.Limits, q *queue, m *socket.Message, connected socket.Name) error {
	peek := m.Flags&socket.Peek != 0
	m.N, m.Size, m.Flags, m.SegmentSize, m.Peer = 0, 0, 0, 0, socket.Name{}
	m.Ancillary.Present = 0
	var r record
	if err := l.Await(q.readable, "read", func() (ready bool, err error) {
		r, m.N, ready, err = q.take(m.Buffers, peek)
		return ready, err
	}); err != nil {
		return err
	}
	m.Size, m.Peer = r.size, r.from
	if m.Peer.IsZero() {
		m.Peer = connected
	}
	if m.N < m.Size {
		m.Flags |= socket.Truncated
		return socket.ErrTruncated
	}
	return nil
}

// readMessage is receiveMessage for a plain Read.
func readMessage(l wait.Limits, q *queue, b []byte) (n int, err error) {
	var r record
	buffers := [1][]byte{b}
	err = l.Await(q.readable, "read", func() (ready bool, err error) {
		r, n, ready, err = q.take(buffers[:], false)
		return ready, err
	})
	if err == nil && n < r.size {
		err = socket.ErrTruncated
	}
	return n, err
}

// sendMessage puts a message into q, waiting for room.
func sendMessage(l wait.Limits, q *queue, buffers [][]byte, sender *queue, from socket.Name) (int, error) {
	size := total(buffers)
	if size > queueBytes {
		return 0, os.NewSyscallError("sendmsg", syscall.EMSGSIZE)
	}
	if err := l.Await(q.writable, "sendmsg", func() (bool, error) { return q.put(buffers, size, sender, from) }); err != nil {
		return 0, err
	}
	return size, nil
}

func total(buffers [][]byte) (n int) {
	for _, b := range buffers {
		n += len(b)
	}
	return n
}

// plain refuses what a message asks for and the domain lacks.
func plain(m *socket.Message) error {
	lacks := func(what string) error {
		return &socket.UnsupportedError{Feature: what + " with a message", Needs: "a kernel socket"}
	}
	switch {
	case m.Ancillary.Present != 0:
		return lacks("ancillary data")
	case m.SegmentSize > 0:
		return lacks("a train of segments")
	case m.Flags&^socket.EndOfRecord != 0:
		return lacks("flags other than the end of record")
	}
	return nil
}
