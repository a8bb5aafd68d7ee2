package iso

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"zocalo/socket"
	"zocalo/socket/wait"
)

const (
	// batchTPDUs is how many TPDUs go to the system in one call.
	batchTPDUs = 64

	// together is the size of a TSDU up to which it is copied behind its
	// header: that is cheaper than to gather it.
	together = 2 << 10

	framing = tpktHeader + dataHeader
)

// outgoing is the state of the direction of writing.
type outgoing struct {
	cut   int    // the most bytes of data in a TPDU
	ended bool   // nothing more may be sent
	owed  []byte // to be sent before anything else

	scratch []byte
	framed  [batchTPDUs][framing]byte // their headers
	vector  [][]byte
	one     [1][]byte
}

var errEmpty = fmt.Errorf("an empty message cannot be sent (peers take an empty TSDU for an error): %w", syscall.EMSGSIZE)

// Write sends a TSDU, or bytes of a stream. A TSDU of which a part has left
// cannot be taken back: if a deadline comes then, Write returns as if it had
// sent all of it, and what is left follows in the background, before anything
// else is sent.
func (e *connection) Write(b []byte) (int, error) {
	if len(b) == 0 && e.stream {
		return 0, nil
	}
	if err := e.startWriting(); err != nil {
		return 0, err
	}
	e.one[0] = b
	return e.send(e.one[:], len(b))
}

// Writev is Write of several buffers.
func (e *connection) Writev(buffers [][]byte) (int64, error) {
	n, err := e.sendAll(buffers)
	return int64(n), err
}

func (e *connection) sendAll(buffers [][]byte) (int, error) {
	size := total(buffers)
	if size == 0 && e.stream {
		return 0, nil
	}
	if err := e.startWriting(); err != nil {
		return 0, err
	}
	return e.send(buffers, size)
}

func total(buffers [][]byte) (n int) {
	for _, b := range buffers {
		n += len(b)
	}
	return n
}

// Send sends a message. Control of level [ControlLevel] is user data of the
// connection, see there; such a message has no data of its own.
func (e *connection) Send(m *socket.Message) (int, error) {
	if has := m.Ancillary.Present; has != 0 {
		return e.sendControl(m, has)
	}
	if m.SegmentSize > 0 {
		return 0, &socket.UnsupportedError{Feature: "cutting a message into segments (GSO)", Needs: "a udp socket"}
	}
	if !m.Peer.IsZero() && m.Peer != e.Peer() {
		return 0, os.NewSyscallError("sendmsg", syscall.EISCONN)
	}
	return e.sendAll(m.Buffers)
}

// startWriting takes the turn. Nothing is owed then: flush keeps the turn.
func (e *connection) startWriting() error {
	l := e.writeLimits()
	if err := e.writing.Take(&l); err != nil {
		return err
	}
	err := error(nil)
	switch {
	case !e.isConnected():
		err = os.NewSyscallError("write", syscall.ENOTCONN)
	case e.ended:
		err = os.NewSyscallError("write", syscall.EPIPE)
	}
	if err != nil {
		e.stopWriting()
	}
	return err
}

func (e *connection) stopWriting() {
	e.forget()
	e.writing.Give()
}

// forget lets go of the caller's memory.
func (e *connection) forget() {
	e.one[0] = nil
	clear(e.vector)
}

// settle sends what is owed.
func (e *connection) settle() error {
	n, err := e.tcp.Write(e.owed)
	e.owed = e.owed[:copy(e.owed, e.owed[n:])]
	if len(e.owed) == 0 {
		e.owed = nil
	}
	return e.lowerError(err)
}

// send sends the buffers, of size bytes, and gives the turn.
func (e *connection) send(buffers [][]byte, size int) (int, error) {
	switch {
	case size == 0:
		e.stopWriting()
		return 0, errEmpty
	case size > e.bound && !e.stream:
		e.stopWriting()
		return 0, fmt.Errorf("a message of %d bytes: the maximum is %d (option tsdu): %w", size, e.bound, syscall.EMSGSIZE)
	case size <= min(together, e.cut):
		return e.sendTogether(buffers, size)
	}
	c := cutter{buffers: buffers, left: size, payload: e.cut, stream: e.stream}
	sent := 0
	for c.left > 0 {
		before := c.left
		want := e.cutBatch(&c)
		n, err := e.tcp.Writev(e.vector)
		if int(n) < want {
			return e.cutShort(&c, sent, before, int(n), err)
		}
		sent += before - c.left
	}
	e.stopWriting()
	return sent, nil
}

// sendTogether sends what fits one TPDU, copied behind its header.
func (e *connection) sendTogether(buffers [][]byte, size int) (int, error) {
	whole := append(e.scratch[:0], e.framed[0][:]...)
	putDataHeader(whole, size, true)
	for _, b := range buffers {
		whole = append(whole, b...)
	}
	e.scratch = whole
	if socket.Tracing() {
		tracedData(traceOut, e.tcp, size, true)
	}
	if err := e.sendPacket(whole); err != nil {
		return 0, err
	}
	return size, nil
}

// sendPacket sends one packet, and gives the turn.
func (e *connection) sendPacket(packet []byte) error {
	n, err := e.tcp.Write(packet)
	switch {
	case n == len(packet):
		err = nil
	case n > 0 && endedByUs(err):
		e.owed = append(e.owed, packet[n:]...)
		e.flush()
		return nil
	}
	e.stopWriting()
	return e.lowerError(err)
}

func putDataHeader(b []byte, size int, end bool) {
	putTPKT(b, dataHeader+size)
	b[4], b[5], b[6] = dataHeader-1, codeDT, 0
	if end {
		b[6] = eot
	}
}

// A cutter cuts buffers into TPDUs.
type cutter struct {
	buffers []([]byte)
	i, off  int
	left    int
	payload int
	stream  bool // every TPDU ends a TSDU: none is larger than what the peer agreed to
}

// next writes the header of the next TPDU to h, and appends both to vector.
func (c *cutter) next(h []byte, vector [][]byte) [][]byte {
	size := min(c.left, c.payload)
	c.left -= size
	putDataHeader(h, size, c.stream || c.left == 0)
	vector = append(vector, h)
	for size > 0 {
		b := c.buffers[c.i][c.off:]
		if len(b) == 0 {
			c.i, c.off = c.i+1, 0
			continue
		}
		b = b[:min(len(b), size)]
		vector = append(vector, b)
		c.off += len(b)
		size -= len(b)
	}
	return vector
}

// cutBatch fills the vector with TPDUs, and returns its size in bytes.
func (e *connection) cutBatch(c *cutter) (want int) {
	e.vector = e.vector[:0]
	for i := 0; i < batchTPDUs && c.left > 0; i++ {
		before := c.left
		e.vector = c.next(e.framed[i][:], e.vector)
		want += framing + before - c.left
		if socket.Tracing() {
			tracedData(traceOut, e.tcp, before-c.left, c.stream || c.left == 0)
		}
	}
	return want
}

// endedByUs reports whether a deadline or Close ended a call on TCP, and not
// the connection.
func endedByUs(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}

// cutShort ends send after TCP took n bytes of a batch only; sent is what
// went before it, and before what was left then. It gives the turn.
func (e *connection) cutShort(c *cutter, sent, before, n int, err error) (int, error) {
	if !endedByUs(err) || sent == 0 && n == 0 {
		if !c.stream {
			sent = 0
		}
		e.stopWriting()
		return sent, e.lowerError(err)
	}
	if c.stream {
		// Whole TPDUs count, and the one that was begun will follow.
		for left := before; n > 0; {
			size := min(left, c.payload)
			left -= size
			sent += size
			if n < framing+size {
				e.owe(n, framing+size)
				e.flush()
				return sent, nil
			}
			e.skip(framing + size)
			n -= framing + size
		}
		e.stopWriting()
		return sent, e.lowerError(err)
	}
	size := sent + before
	e.owe(n, total(e.vector))
	for c.left > 0 {
		want := e.cutBatch(c)
		e.owe(0, want)
	}
	e.flush()
	return size, nil
}

// owe keeps the bytes from n to end of the vector.
func (e *connection) owe(n, end int) {
	for _, b := range e.vector {
		b = b[:min(len(b), end)]
		end -= len(b)
		k := min(n, len(b))
		n -= k
		e.owed = append(e.owed, b[k:]...)
	}
}

// skip removes bytes from the front of the vector.
func (e *connection) skip(n int) {
	for n > 0 {
		k := min(n, len(e.vector[0]))
		e.vector[0] = e.vector[0][k:]
		n -= k
		if len(e.vector[0]) == 0 {
			e.vector = e.vector[1:]
		}
	}
}

// flush sends what is owed in the background, and gives the turn when that is
// done. After Close it is left to Close.
func (e *connection) flush() {
	if len(e.owed) == 0 || wait.IsClosed(e.closed) {
		e.stopWriting()
		return
	}
	e.clock.change(func() { e.clock.flushing = true })
	e.forget()
	go func() {
		err := e.settle()
		e.clock.change(func() { e.clock.flushing = false })
		if err != nil && !wait.IsClosed(e.closed) {
			e.owed, e.ended = nil, true // the connection is lost, as Read will tell
		}
		e.stopWriting()
	}()
}
