package iso

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"zocalo/socket"
)

// The sizes of what is read ahead, in bytes: at first, and where there is
// much to read. The second is how far expedited data can come ahead.
const (
	smallInbox = 4 << 10
	largeInbox = 64 << 10

	// straight is how many bytes it takes to read them to where they belong,
	// past the inbox.
	straight = 2 << 10

	// scattered is how many DTs are expected in one call of the system.
	scattered = 8

	// mostControl bounds TPDUs other than DT: a header, and 64 bytes.
	mostControl = tpktHeader + 1 + largestLI + largestDRData

	// keptTSDU is how much memory an assembled TSDU leaves behind.
	keptTSDU = 64 << 10
)

// incoming is the state of the direction of reading. Where expedited data was
// agreed on, inbox and payload belong to whoever has the urgent.pump as well.
type incoming struct {
	bound   int    // of a TSDU
	inbox   []byte // what came from TCP and is not taken yet is inbox[start:]
	start   int
	payload int  // bytes that are still to come of a DT
	last    bool // which ends its TSDU
	open    bool // a TSDU has begun and not ended

	held  []byte // of a TSDU, what did not fit or came before a deadline
	whole bool   // held is all of it

	ahead      bool   // lookAhead reads
	end        error  // of TCP, to which lookAhead came before the inbox was read
	oversize   bool   // fail is for a TSDU beyond the bound
	fail       error  // for good: the end, or why there is none
	disconnect []byte // user data of a DR that ended it

	sink    sink
	single  [1][]byte
	direct  socket.Message // of scatter
	headers [scattered][framing]byte
}

// A sink is where a TSDU goes: the caller's buffers.
type sink struct {
	buffers [][]byte
	n       int // bytes put
	i, off  int // where the next goes
}

// room returns the next stretch of memory, empty where the sink is full.
func (s *sink) room() []byte {
	for s.i < len(s.buffers) {
		if b := s.buffers[s.i][s.off:]; len(b) > 0 {
			return b
		}
		s.i, s.off = s.i+1, 0
	}
	return nil
}

// put copies what fits, and returns how much that was.
func (s *sink) put(p []byte) (n int) {
	for n < len(p) {
		room := s.room()
		if len(room) == 0 {
			break
		}
		k := copy(room, p[n:])
		s.advance(k)
		n += k
	}
	return n
}

func (s *sink) advance(k int) { s.off += k; s.n += k }

// contents returns a copy of what was put.
func (s *sink) contents() []byte {
	var all []byte
	for i, b := range s.buffers[:min(s.i+1, len(s.buffers))] {
		if i == s.i {
			b = b[:s.off]
		}
		all = append(all, b...)
	}
	return all
}

// startReading takes the turn to read, and the pump where there is one.
func (e *connection) startReading() error {
	l := e.readLimits()
	if err := e.reading.Take(&l); err != nil {
		return err
	}
	if !e.isConnected() {
		e.reading.Give()
		return os.NewSyscallError("read", syscall.ENOTCONN)
	}
	if e.urgent.agreed {
		if err := e.takePump(&l); err != nil {
			e.reading.Give()
			return err
		}
	}
	return nil
}

func (e *connection) stopReading() {
	e.single[0], e.sink.buffers = nil, nil
	if e.urgent.agreed {
		e.givePump()
	}
	e.reading.Give()
}

// Read takes bytes of a stream, or one TSDU.
func (e *connection) Read(b []byte) (int, error) {
	if e.stream && len(b) == 0 {
		return 0, nil
	}
	if err := e.startReading(); err != nil {
		return 0, err
	}
	defer e.stopReading()
	if e.stream {
		return e.takeBytes(b)
	}
	e.single[0] = b
	n, size, err := e.takeTSDU(e.single[:], false)
	if err == nil && n < size {
		err = socket.ErrTruncated
	}
	return n, err
}

// Receive takes one TSDU, or the bytes of a stream that are there. The user
// data that the peer sent when it connected comes with the first, and that of
// a DR with the end, as Control of level [ControlLevel].
func (e *connection) Receive(m *socket.Message) error {
	peek := m.Flags&socket.Peek != 0
	m.N, m.Size, m.Flags, m.SegmentSize = 0, 0, 0, 0
	m.Ancillary.Present = 0
	if err := e.startReading(); err != nil {
		return err
	}
	defer e.stopReading()
	m.Peer = e.Peer()
	var err error
	if e.stream {
		err = e.receiveBytes(m, peek)
	} else {
		m.N, m.Size, err = e.takeTSDU(m.Buffers, peek)
	}
	e.addControl(m, err)
	switch {
	case err != nil:
		return err
	case e.stream:
	case m.N < m.Size:
		m.Flags |= socket.Truncated
		return socket.ErrTruncated
	default:
		m.Flags |= socket.EndOfRecord
	}
	return nil
}

func (e *connection) receiveBytes(m *socket.Message, peek bool) error {
	if peek {
		return &socket.UnsupportedError{Feature: "a look ahead on a stream of domain iso", Needs: "a seqpacket socket"}
	}
	for _, b := range m.Buffers {
		if len(b) > 0 {
			n, err := e.takeBytes(b)
			m.N, m.Size = n, n
			return err
		}
	}
	return nil
}

// takeTSDU fills buffers with the next TSDU, and returns its true size. What
// came of a TSDU when an error ends the call is kept for the next.
func (e *connection) takeTSDU(buffers [][]byte, peek bool) (n, size int, err error) {
	if peek {
		if err := e.assemble(nil); err != nil {
			return 0, 0, err
		}
		e.whole = true
		e.sink = sink{buffers: buffers}
		return e.sink.put(e.held), len(e.held), nil
	}
	if err := e.assemble(buffers); err != nil {
		return 0, 0, err
	}
	n, size = e.sink.n, e.sink.n+len(e.held)
	e.drop()
	return n, size, nil
}

// drop forgets the TSDU.
func (e *connection) drop() {
	e.whole, e.held = false, e.held[:0]
	if cap(e.held) > keptTSDU {
		e.held = nil
		e.unhoard()
	}
}

// assemble puts the next TSDU into buffers, and what does not fit into held.
func (e *connection) assemble(buffers [][]byte) error {
	e.sink = sink{buffers: buffers}
	s := &e.sink
	if len(e.held) > 0 {
		k := s.put(e.held)
		e.held = e.held[:copy(e.held, e.held[k:])]
	}
	if e.whole {
		return nil
	}
	if e.oversize {
		return e.fail
	}
	for {
		var err error
		there := e.inbox[e.start:]
		switch {
		case e.payload == 0 && e.open && e.last:
			e.open, e.last = false, false
			return nil
		case len(there) == 0 && len(s.room()) >= straight:
			err = e.scatter(s)
		case e.payload == 0:
			if err = e.header(); err == nil && !e.fits(e.payload) {
				e.oversize = true
				err = e.broken(fmt.Errorf("a message longer than %d bytes came, the limit (option tsdu): %w", e.bound, syscall.EMSGSIZE))
			}
		case len(there) > 0:
			p := there[:min(e.payload, len(there))]
			if k := s.put(p); k < len(p) {
				if err = e.holds(len(e.held) + len(p) - k); err != nil {
					e.oversize = true
					err = e.broken(err)
					break
				}
				e.held = append(e.held, p[k:]...)
			}
			e.took(len(p))
		default:
			err = e.fill(1)
		}
		if err != nil {
			return e.interrupted(err)
		}
	}
}

// fits reports whether so many bytes more are within the bound of a TSDU.
func (e *connection) fits(n int) bool { return e.stream || e.sink.n+len(e.held)+n <= e.bound }

// interrupted keeps what came of a TSDU for the next call.
func (e *connection) interrupted(err error) error {
	if e.sink.n > 0 {
		e.held = append(e.sink.contents(), e.held...)
	}
	return err
}

// took removes bytes of the payload from the inbox.
func (e *connection) took(k int) {
	e.start += k
	e.passed(k)
}

// passed counts bytes of the payload as taken.
func (e *connection) passed(k int) {
	e.payload -= k
	if e.urgent.agreed {
		e.urgent.pass(k)
	}
}

// takeBytes is Read of a stream: what is there, without waiting for more,
// up to the place of urgent data.
func (e *connection) takeBytes(b []byte) (n int, err error) {
	e.single[0] = b
	e.sink = sink{buffers: e.single[:]}
	s := &e.sink
	if e.urgent.agreed {
		if ahead := e.urgent.toMark(); ahead > 0 && ahead < len(b) {
			e.single[0] = b[:ahead]
		}
	}
	for {
		there := e.inbox[e.start:]
		switch {
		case e.payload > 0 && len(there) > 0:
			e.took(s.put(there[:min(e.payload, len(there))]))
			if len(s.room()) == 0 {
				return s.n, nil
			}
		case s.n > 0 && (e.payload > 0 || !hasData(there) || e.urgent.agreed):
			return s.n, nil
		case e.payload > 0:
			if len(s.room()) >= straight {
				err = e.scatter(s)
			} else {
				err = e.fill(1)
			}
		default:
			err = e.header()
		}
		if err != nil {
			if s.n > 0 {
				err = nil // it stays, and was not waited for
			}
			return s.n, err
		}
	}
}

// hasData reports whether the inbox goes on with a DT, of which something is
// there.
func hasData(b []byte) bool {
	return len(b) > tpktHeader+dataHeader && b[0] == tpktVersion && b[4] == 2 && b[5]&0xf0 == codeDT
}

// header reads up to the payload of the next DT, and does what other TPDUs
// ask for.
func (e *connection) header() error {
	for {
		if err := e.over(); err != nil {
			return err
		}
		if err := e.need(tpktHeader); err != nil {
			return err
		}
		size, err := parseTPKT(e.inbox[e.start:])
		if err != nil {
			return e.broken(err)
		}
		if err := e.need(leastTPKT); err != nil {
			return err
		}
		there := e.inbox[e.start:]
		if there[4] == dataHeader-1 && there[5]&0xf0 == codeDT {
			e.payload, e.last, e.open = size-leastTPKT, there[6]&eot != 0, true
			e.start += leastTPKT
			if socket.Tracing() {
				tracedData(traceIn, e.tcp, e.payload, e.last)
			}
			return nil
		}
		if size > mostControl {
			return e.broken(protocolError(causeUnspecified, "a TPDU of %d bytes came that is no DT", size-tpktHeader))
		}
		if err := e.need(size); err != nil {
			return err
		}
		if err := e.control(e.inbox[e.start+tpktHeader : e.start+size]); err != nil {
			return err
		}
		e.start += size
	}
}

// control does what a TPDU other than DT asks for.
func (e *connection) control(b []byte) error {
	t, err := decodeTPDU(b)
	if err != nil {
		return e.broken(err)
	}
	traced(traceIn, e.tcp, &t, len(b))
	switch t.code {
	case codeED:
		if !e.urgent.agreed {
			return e.broken(protocolError(causeBadType, "expedited data came, but was not negotiated"))
		}
		return e.urgentCame(t.data)
	case codeDR: // not by RFC 1006, but some say it before they close
		if len(t.data) > 0 {
			e.disconnect = slices.Clone(t.data)
		}
		e.fail = io.EOF
		if e.inside() {
			e.fail = lostInside(errors.New("a DR"))
		}
		e.finishUrgent(e.fail)
		return e.fail
	case codeER:
		return e.broken(errored(&t, false))
	}
	return e.broken(protocolError(causeBadType, "a %s came on an open connection", codeNames[t.code]))
}

// broken ends the connection for what the peer did.
func (e *connection) broken(err error) error {
	e.fail = err
	e.finishUrgent(err)
	e.tcp.Shutdown(socket.ShutdownBoth)
	return err
}

// over returns why nothing more can be read.
func (e *connection) over() error {
	if e.noRead.Load() {
		return io.EOF
	}
	return e.fail
}

// need waits until the inbox has n bytes.
func (e *connection) need(n int) error {
	for len(e.inbox)-e.start < n {
		if err := e.fill(n); err != nil {
			return err
		}
	}
	return nil
}

// fill reads what TCP has, with room for n bytes from start on.
func (e *connection) fill(n int) error {
	if err := e.over(); err != nil {
		return err
	}
	if e.start > 0 {
		e.inbox = e.inbox[:copy(e.inbox, e.inbox[e.start:])]
		e.start = 0
	}
	e.makeInbox(max(n, smallInbox))
	room := e.inbox[len(e.inbox):cap(e.inbox)]
	if e.end != nil {
		return e.ending(e.end)
	}
	got, err := e.tcp.Read(room)
	e.inbox = e.inbox[:len(e.inbox)+got]
	if got == 0 {
		return e.ending(err)
	}
	if got == len(room) {
		e.makeInbox(min(2*cap(e.inbox), largeInbox))
	}
	return nil
}

// makeInbox makes room for so many bytes in all.
func (e *connection) makeInbox(size int) {
	if cap(e.inbox) < size {
		grown := make([]byte, len(e.inbox), size)
		copy(grown, e.inbox)
		e.inbox = grown
	}
}

// ending returns what an error of TCP means.
func (e *connection) ending(err error) error {
	switch {
	case endedByUs(err):
		return e.lowerError(err)
	case e.ahead && e.start < len(e.inbox):
		e.end = err // for whoever reads what came before it
		return nil
	case err == io.EOF && e.noRead.Load():
		return io.EOF
	case err == io.EOF && (e.inside() || e.start < len(e.inbox)):
		e.fail = lostInside(err)
	default:
		e.fail = e.lowerError(err)
	}
	e.finishUrgent(e.fail)
	return e.fail
}

// inside reports whether a TSDU has begun of which something is to come.
func (e *connection) inside() bool { return e.open && (e.payload > 0 || !e.last) }

func lostInside(err error) error {
	return fmt.Errorf("the connection ended in the middle of a message: %w (%v)", syscall.ECONNRESET, err)
}
