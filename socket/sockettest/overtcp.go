package sockettest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// Toy is the domain of seqpacket sockets over TCP: kind Toy, SeqPacket, 0. Its
// names are those of domain Inet.
//
// On the wire a message is its length, in 4 octets, the most significant
// first; the message; and one octet that is 1 if the message counts. It is 0
// for one that the sender had to give up halfway, because a deadline passed:
// what the receiver then has is thrown away, and the sender's error told the
// truth. The length 0xffffffff is the end: a connection that ends without it
// was lost, and reads fail with ECONNRESET.
const Toy socket.Domain = 0x101

// LargestToy is the most octets of a message in domain [Toy]. A longer one is
// refused with EMSGSIZE on Write, and with EPROTO on Read.
const LargestToy = 1 << 20

const (
	toyHeader = 4
	toyEnd    = 0xffffffff
	toyDrop   = 0 // the verdicts after a message
	toyKeep   = 1

	// linger is how long Close tries to send what belongs before the end.
	linger = 100 * time.Millisecond
)

// RegisterToy adds the domain [Toy] to package socket, with the scheme toy,
// whose endpoint and options are those of the scheme tcp. A second call does
// nothing.
func RegisterToy() { registerToy() }

var registerToy = sync.OnceFunc(func() {
	scheme := &socket.Scheme{
		Name: "toy", Endpoint: "host:port", Doc: "messages over TCP, for tests",
		Type: socket.SeqPacket, Resolve: resolveToy,
	}
	if tcp, ok := socket.LookupScheme("tcp"); ok {
		scheme.Options = tcp.Options
	}
	socket.Register(&socket.Family{
		Name:    "toy",
		Domains: []socket.DomainConstant{{Domain: Toy, Constant: "AF_TOY"}},
		New:     newToy,
		KindName: func(k socket.Kind) string {
			if k.Type == socket.SeqPacket && k.Protocol == 0 {
				return "toy"
			}
			return ""
		},
		FormatName: func(n socket.Name) string {
			lower, _ := lowerName(n)
			return lower.String()
		},
		Properties: func(k socket.Kind) socket.Properties {
			if k.Type != socket.SeqPacket {
				return socket.Properties{}
			}
			return socket.Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true, Bounded: true}
		},
		Schemes: []*socket.Scheme{scheme},
	})
})

// resolveToy leaves it to TCP, and keeps the IPv4 names.
func resolveToy(ctx context.Context, t socket.Target) ([]socket.Name, error) {
	tcp, ok := socket.LookupScheme("tcp")
	if !ok {
		return nil, &socket.UnsupportedError{Feature: "the scheme toy", Needs: "the scheme tcp"}
	}
	found, err := tcp.Resolve(ctx, t)
	if err != nil {
		return nil, err
	}
	var list []socket.Name
	for _, n := range found {
		if n.Domain() == socket.Inet {
			list = append(list, upperName(n))
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no IPv4 address, and domain toy knows no other", t.Endpoint)
	}
	return list, nil
}

// ToyName returns the name in domain [Toy] of a name in domain Inet.
func ToyName(n socket.Name) (socket.Name, error) {
	if n.Domain() != socket.Inet {
		return socket.Name{}, os.NewSyscallError("toy", syscall.EAFNOSUPPORT)
	}
	return upperName(n), nil
}

func upperName(n socket.Name) socket.Name { return renamed(n, Toy) }

func lowerName(n socket.Name) (socket.Name, error) {
	if n.Domain() != Toy {
		return socket.Name{}, os.NewSyscallError("toy", syscall.EAFNOSUPPORT)
	}
	return renamed(n, socket.Inet), nil
}

func renamed(n socket.Name, d socket.Domain) socket.Name {
	if n.IsZero() {
		return n
	}
	var data [socket.MaxName]byte
	n, _ = socket.MakeName(d, n.AppendData(data[:0])) // it fitted before
	return n
}

// toy is an endpoint over a TCP socket.
type toy struct {
	tcp       *socket.Socket
	times     sync.Mutex // makes Close and the setting of deadlines exclude each other
	closed    chan struct{}
	readTime  wait.Deadline
	writeTime wait.Deadline

	reading  wait.Turn // guards the next three
	inbox    []byte
	start    int   // of inbox, where the next message begins
	readFail error // for good: the end, or a connection that is lost

	writing wait.Turn // guards the rest
	scratch []byte
	owed    int  // octets still to send of a message that was given up
	ended   bool // the end was sent
	noRead  atomic.Bool
}

func newToy(k socket.Kind) (socket.Endpoint, error) {
	if k.Type != socket.SeqPacket || k.Protocol != 0 {
		return nil, &socket.UnsupportedError{Feature: fmt.Sprintf("type %v with protocol %v in domain toy", k.Type, k.Protocol),
			Needs: "seqpacket, with protocol 0"}
	}
	tcp, err := socket.New(socket.Inet, socket.Stream, 0)
	if err != nil {
		return nil, err
	}
	return overTCP(tcp), nil
}

func overTCP(tcp *socket.Socket) *toy {
	e := &toy{tcp: tcp, closed: make(chan struct{}), reading: wait.NewTurn(), writing: wait.NewTurn()}
	e.readTime.Init()
	e.writeTime.Init()
	return e
}

// Lower makes the options of TCP reach it.
func (e *toy) Lower() socket.Endpoint { return e.tcp }

func (e *toy) Name() socket.Name { return upperName(e.tcp.Name()) }
func (e *toy) Peer() socket.Name { return upperName(e.tcp.Peer()) }

func (e *toy) Bind(n socket.Name) error {
	lower, err := lowerName(n)
	if err != nil {
		return err
	}
	return bare(e.tcp.Bind(lower))
}

func (e *toy) Listen(backlog int) error { return bare(e.tcp.Listen(backlog)) }

func (e *toy) Accept(ctx context.Context) (socket.Endpoint, error) {
	c, err := e.tcp.Accept(ctx)
	if err != nil {
		return nil, e.failed(err)
	}
	return overTCP(c), nil
}

func (e *toy) Connect(ctx context.Context, peer socket.Name) error {
	lower, err := lowerName(peer)
	if err != nil {
		return err
	}
	return e.failed(e.tcp.Connect(ctx, lower))
}

func (e *toy) SetReadDeadline(t time.Time) error {
	return e.setDeadline(&e.readTime, e.tcp.SetReadDeadline, t)
}

func (e *toy) SetWriteDeadline(t time.Time) error {
	return e.setDeadline(&e.writeTime, e.tcp.SetWriteDeadline, t)
}

// setDeadline sets that of TCP, where the holder of a turn waits, and that of
// those who wait for the turn.
func (e *toy) setDeadline(d *wait.Deadline, lower func(time.Time) error, t time.Time) error {
	e.times.Lock()
	defer e.times.Unlock()
	if wait.IsClosed(e.closed) {
		return net.ErrClosed
	}
	d.Set(t)
	return bare(lower(t))
}

func (e *toy) readLimits() wait.Limits {
	return wait.Limits{Ctx: context.Background(), Closed: e.closed, Deadline: &e.readTime}
}
func (e *toy) writeLimits() wait.Limits {
	return wait.Limits{Ctx: context.Background(), Closed: e.closed, Deadline: &e.writeTime}
}

// next returns the next message, inside of inbox, with the verdict after it
// checked. Until it returns one, everything that came stays in inbox: a
// deadline may pass in the middle of a message. The caller has the turn, and
// removes the message with e.taken.
func (e *toy) next() ([]byte, error) {
	for {
		if e.noRead.Load() {
			return nil, io.EOF
		}
		if e.readFail != nil {
			return nil, e.readFail
		}
		got, need := e.inbox[e.start:], toyHeader
		if len(got) >= toyHeader {
			size := binary.BigEndian.Uint32(got)
			switch {
			case size == toyEnd:
				e.readFail = io.EOF
				continue
			case size > LargestToy:
				e.readFail = fmt.Errorf("a message of %d octets announced, and %d is the most: %w", size, LargestToy, syscall.EPROTO)
				continue
			}
			if need = toyHeader + int(size) + 1; len(got) >= need {
				switch verdict := got[need-1]; verdict {
				case toyKeep:
					return got[toyHeader : need-1], nil
				case toyDrop:
					e.start += need
				default:
					e.readFail = fmt.Errorf("the octet %#x after a message, where 0 or 1 belongs: %w", verdict, syscall.EPROTO)
				}
				continue
			}
		}
		if err := e.fill(need); err != nil {
			return nil, err
		}
	}
}

// fill reads what TCP has, with room for need octets from start on.
func (e *toy) fill(need int) error {
	if e.start > 0 {
		e.inbox = e.inbox[:copy(e.inbox, e.inbox[e.start:])]
		e.start = 0
	}
	if cap(e.inbox) < need {
		grown := make([]byte, len(e.inbox), max(need, 4<<10))
		copy(grown, e.inbox)
		e.inbox = grown
	}
	n, err := e.tcp.Read(e.inbox[len(e.inbox):cap(e.inbox)])
	e.inbox = e.inbox[:len(e.inbox)+n]
	switch {
	case err == nil, n > 0:
		return nil
	case err == io.EOF && e.noRead.Load():
		return io.EOF
	case err == io.EOF || errors.Is(err, syscall.ECONNRESET):
		e.readFail = fmt.Errorf("the connection was lost: %w before the end was said", syscall.ECONNRESET)
		return e.readFail
	}
	return e.failed(err)
}

func (e *toy) taken(message []byte) { e.start += toyHeader + len(message) + 1 }

func (e *toy) Read(b []byte) (int, error) {
	l := e.readLimits()
	if err := e.reading.Take(&l); err != nil {
		return 0, err
	}
	defer e.reading.Give()
	message, err := e.next()
	if err != nil {
		return 0, err
	}
	defer e.taken(message)
	n := copy(b, message)
	if n < len(message) {
		return n, socket.ErrTruncated
	}
	return n, nil
}

func (e *toy) Receive(m *socket.Message) error {
	peek := m.Flags&socket.Peek != 0
	m.N, m.Size, m.Flags, m.SegmentSize, m.Peer = 0, 0, 0, 0, e.Peer()
	m.Ancillary.Present = 0
	l := e.readLimits()
	if err := e.reading.Take(&l); err != nil {
		return err
	}
	defer e.reading.Give()
	message, err := e.next()
	if err != nil {
		return err
	}
	if !peek {
		defer e.taken(message)
	}
	for _, b := range m.Buffers {
		m.N += copy(b, message[m.N:])
	}
	m.Size, m.Flags = len(message), socket.EndOfRecord
	if m.N < m.Size {
		m.Flags = socket.Truncated
		return socket.ErrTruncated
	}
	return nil
}

func (e *toy) Write(b []byte) (int, error) {
	buffers := [1][]byte{b}
	return e.send(buffers[:])
}

func (e *toy) Writev(buffers [][]byte) (int64, error) {
	n, err := e.send(buffers)
	return int64(n), err
}

func (e *toy) Send(m *socket.Message) (int, error) {
	if err := plain(m); err != nil {
		return 0, err
	}
	if !m.Peer.IsZero() && m.Peer != e.Peer() {
		return 0, os.NewSyscallError("sendmsg", syscall.EISCONN)
	}
	return e.send(m.Buffers)
}

func (e *toy) send(buffers [][]byte) (int, error) {
	size := total(buffers)
	if size > LargestToy {
		return 0, fmt.Errorf("a message of %d octets, and %d is the most: %w", size, LargestToy, syscall.EMSGSIZE)
	}
	l := e.writeLimits()
	if err := e.writing.Take(&l); err != nil {
		return 0, err
	}
	defer e.writing.Give()
	if e.ended {
		return 0, os.NewSyscallError("write", syscall.EPIPE)
	}
	if err := e.settle(); err != nil {
		return 0, err
	}
	whole := binary.BigEndian.AppendUint32(e.scratch[:0], uint32(size))
	for _, b := range buffers {
		whole = append(whole, b...)
	}
	whole = append(whole, toyKeep)
	e.scratch = whole
	n, err := e.tcp.Write(whole)
	if n < len(whole) {
		if n > 0 {
			e.owed = len(whole) - n
		}
		return 0, e.failed(err)
	}
	return size, nil
}

// settle completes a message that was given up halfway: with zeros, the last
// of which is the verdict that drops it.
func (e *toy) settle() error {
	var zeros [1024]byte
	for e.owed > 0 {
		n, err := e.tcp.Write(zeros[:min(e.owed, len(zeros))])
		e.owed -= n
		if err != nil {
			return e.failed(err)
		}
	}
	return nil
}

// finish says the end. The caller has the turn to write.
func (e *toy) finish() error {
	if e.ended {
		return nil
	}
	if err := e.settle(); err != nil {
		return err
	}
	var header [toyHeader]byte
	binary.BigEndian.PutUint32(header[:], toyEnd)
	n, err := e.tcp.Write(header[:])
	if n > 0 {
		e.ended = true // half an end cannot be taken back
	}
	return bare(err)
}

// Shutdown of Write sends the end, which may have to wait; of Read, it makes
// every Read io.EOF.
func (e *toy) Shutdown(how socket.How) error {
	if how == socket.Write || how == socket.Both {
		l := e.writeLimits()
		if err := e.writing.Take(&l); err != nil {
			return err
		}
		err := e.finish()
		e.writing.Give()
		if err != nil {
			return e.failed(err)
		}
	}
	if how == socket.Read || how == socket.Both {
		e.noRead.Store(true)
		return e.failed(e.tcp.Shutdown(socket.Read))
	}
	return nil
}

// Close says the end, if the connection stands and the peer makes room for it
// within 100 ms; else the peer finds the connection lost, as it is.
func (e *toy) Close() error {
	if err := e.stop(); err != nil {
		return err
	}
	if e.tcp.Peer().IsZero() {
		return bare(e.tcp.Close())
	}
	e.writing <- struct{}{} // whoever has it stops now
	defer e.writing.Give()
	e.tcp.SetWriteDeadline(time.Now().Add(linger))
	if e.finish() != nil {
		return bare(e.tcp.Abort())
	}
	return bare(e.tcp.Close())
}

// Abort closes by a reset.
func (e *toy) Abort() error {
	if err := e.stop(); err != nil {
		return err
	}
	return bare(e.tcp.Abort())
}

// stop ends what waits, and makes everything else fail from now on.
func (e *toy) stop() error {
	e.times.Lock()
	defer e.times.Unlock()
	if wait.IsClosed(e.closed) {
		return net.ErrClosed
	}
	close(e.closed)
	e.readTime.Set(time.Time{}) // stops the timers
	e.writeTime.Set(time.Time{})
	e.tcp.SetDeadline(time.Unix(1, 0))
	return nil
}

// failed is bare for a call that Close may have ended, by way of TCP's
// deadline.
func (e *toy) failed(err error) error {
	if err != nil && wait.IsClosed(e.closed) {
		return net.ErrClosed
	}
	return bare(err)
}

// bare returns the error without what the TCP socket says around it: the
// operation and the names are this endpoint's.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
