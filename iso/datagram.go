package iso

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// largestDatagram is the most bytes of a UDP datagram over IPv4.
const largestDatagram = 65507

// datagram is a socket without connections: each message is a UD TPDU (ISO
// 8602) in a UDP datagram (RFC 1240). What is no such TPDU, has a checksum that
// is wrong, or is for another selector, is dropped as if it had been lost.
type datagram struct {
	udp      *socket.Socket
	checksum atomic.Bool

	mu     sync.Mutex // guards the next two
	own    Selector
	peered socket.Name // the peer of Connect

	// Whoever has one of these waits in UDP's call, which UDP's deadline and
	// Close end.
	reading sync.Mutex
	inbox   []byte
	in      socket.Message

	writing sync.Mutex
	header  []byte
	out     socket.Message
	whole   []byte
}

func newDatagram(udp *socket.Socket) *datagram { return &datagram{udp: udp} }

// Lower makes the options of UDP reach it.
func (d *datagram) Lower() socket.Endpoint { return d.udp }

func (d *datagram) selector() Selector {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.own
}

func (d *datagram) setSelector(s Selector) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.own = s
	return nil
}

func (d *datagram) Name() socket.Name { return upper(d.udp.Name(), d.selector()) }

func (d *datagram) Peer() socket.Name {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peered
}

func (d *datagram) SetReadDeadline(t time.Time) error  { return bare(d.udp.SetReadDeadline(t)) }
func (d *datagram) SetWriteDeadline(t time.Time) error { return bare(d.udp.SetWriteDeadline(t)) }
func (d *datagram) Close() error                       { d.udp.Name(); return bare(d.udp.Close()) }

// Bind gives the socket an address and port, and a selector: it then receives
// what is for that selector. Without one it receives everything.
func (d *datagram) Bind(n socket.Name) error {
	lower, err := lowerName(n)
	if err != nil {
		return err
	}
	option.AnswerAsAsked(d.udp, lower)
	if err := d.udp.Bind(lower); err != nil {
		return bare(err)
	}
	return d.setSelector(SelectorOf(n))
}

// Connect sets the peer of Write, and whom Read takes from: the address and,
// if the name has one, the selector.
func (d *datagram) Connect(ctx context.Context, peer socket.Name) error {
	lower, err := lowerName(peer)
	if err != nil {
		return err
	}
	if err := d.udp.Connect(ctx, lower); err != nil {
		return bare(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peered = peer
	return nil
}

// Shutdown is UDP's.
func (d *datagram) Shutdown(how socket.ShutdownHow) error { return bare(d.udp.Shutdown(how)) }

// Write sends b to the peer of Connect.
func (d *datagram) Write(b []byte) (int, error) {
	buffers := [1][]byte{b}
	return d.send(buffers[:], socket.Name{}, &socket.Ancillary{})
}

// Writev is Write of several buffers.
func (d *datagram) Writev(buffers [][]byte) (int64, error) {
	n, err := d.send(buffers, socket.Name{}, &socket.Ancillary{})
	return int64(n), err
}

// Send sends a message to m.Peer, or to the peer of Connect.
func (d *datagram) Send(m *socket.Message) (int, error) {
	if m.Ancillary.Present&^socket.HasPacketInfo != 0 || m.SegmentSize > 0 {
		return 0, &socket.UnsupportedError{Feature: "ancillary data other than where it leaves, or segments, with a datagram of domain iso", Needs: "a udp socket"}
	}
	return d.send(m.Buffers, m.Peer, &m.Ancillary)
}

// send sends a message, which leaves where the packet information of with says.
func (d *datagram) send(buffers [][]byte, to socket.Name, with *socket.Ancillary) (int, error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.out.Ancillary.Present, d.out.Ancillary.PacketInfo = with.Present, with.PacketInfo
	d.out.Peer = socket.Name{}
	called := to
	if to.IsZero() {
		if called = d.Peer(); called.IsZero() {
			return 0, os.NewSyscallError("sendmsg", syscall.EDESTADDRREQ)
		}
	} else {
		lower, err := lowerName(to)
		if err != nil {
			return 0, err
		}
		d.out.Peer = lower
	}
	t := tpdu{code: codeUD, calling: []byte(d.selector()), called: []byte(SelectorOf(called)),
		hasCalling: true, hasCalled: true, sum: d.checksum.Load()}
	size := total(buffers)
	if t.sum {
		// The checksum is over all of it.
		d.whole = d.whole[:0]
		for _, b := range buffers {
			d.whole = append(d.whole, b...)
		}
		t.data = d.whole
	}
	d.header = t.append(d.header[:0])
	headerSize := int(d.header[0]) + 1
	if headerSize+size > largestDatagram {
		return 0, fmt.Errorf("a message of %d bytes, and %d fit a datagram with these selectors: %w", size, largestDatagram-headerSize, syscall.EMSGSIZE)
	}
	d.out.Buffers = append(d.out.Buffers[:0], d.header)
	if !t.sum {
		d.out.Buffers = append(d.out.Buffers, buffers...)
	}
	if socket.Tracing() {
		t.data = make([]byte, size)
		traced(traceOut, d.udp, &t, headerSize+size)
	}
	_, err := d.udp.Send(&d.out)
	clear(d.out.Buffers)
	if err != nil {
		return 0, bare(err)
	}
	return size, nil
}

// Read takes the data of one message.
func (d *datagram) Read(b []byte) (int, error) {
	m := socket.Message{Buffers: [][]byte{b}}
	err := d.Receive(&m)
	return m.N, err
}

// Receive takes one message, and says who sent it.
func (d *datagram) Receive(m *socket.Message) error {
	peek := m.Flags & socket.Peek
	m.N, m.Size, m.Flags, m.SegmentSize = 0, 0, 0, 0
	m.Ancillary.Present = 0
	d.reading.Lock()
	defer d.reading.Unlock()
	if d.inbox == nil {
		d.inbox = make([]byte, 1<<16)
		d.in.Buffers = [][]byte{d.inbox}
	}
	for {
		d.in.Flags = peek
		if err := d.udp.Receive(&d.in); err != nil {
			return bare(err)
		}
		data, ok := d.accept(m, d.inbox[:d.in.N])
		if !ok {
			if peek != 0 { // take away what nobody is to see
				d.in.Flags = 0
				if err := d.udp.Receive(&d.in); err != nil {
					return bare(err)
				}
			}
			continue
		}
		m.Ancillary.Present = d.in.Ancillary.Present & socket.HasPacketInfo
		m.Ancillary.PacketInfo = d.in.Ancillary.PacketInfo
		for _, b := range m.Buffers {
			m.N += copy(b, data[m.N:])
		}
		m.Size = len(data)
		if m.N < m.Size {
			m.Flags = socket.Truncated
			return socket.ErrTruncated
		}
		return nil
	}
}

// accept returns the data of a datagram, or false where it is not for this
// socket.
func (d *datagram) accept(m *socket.Message, b []byte) ([]byte, bool) {
	t, err := decodeTPDU(b)
	if err != nil || t.code != codeUD || !t.hasCalling || !t.hasCalled {
		return nil, false
	}
	if socket.Tracing() {
		traced(traceIn, d.udp, &t, len(b))
	}
	if t.sum {
		if c0, c1 := fletcher(b); c0 != 0 || c1 != 0 {
			return nil, false
		}
	}
	d.mu.Lock()
	own, peer := d.own, d.peered
	d.mu.Unlock()
	if own != "" && string(own) != string(t.called) {
		return nil, false
	}
	if wanted := SelectorOf(peer); wanted != "" && string(wanted) != string(t.calling) {
		return nil, false
	}
	m.Peer, m.Via = upper(d.in.Peer, selectorOf(t.calling)), d.in.Peer.AddrPort()
	return t.data, true
}
