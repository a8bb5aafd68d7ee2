package websocket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"zocalo/socket"
	"zocalo/socket/scheme"
)

// An endpoint is one end of a WebSocket. Deadlines are those of the connection beneath:
// what ends waiting there ends it here.
type endpoint struct {
	layer *scheme.Layer
	lower *socket.Socket
	peer  socket.Name
	facts []socket.Fact

	closed  atomic.Bool
	readEnd atomic.Bool           // shut down for reading
	broken  atomic.Pointer[error] // what ended the connection for both directions

	limits                      sync.Mutex   // so that no deadline outlives the end that Close sets
	readDeadline, writeDeadline atomic.Int64 // since epoch; 0 is none
	forced                      bool         // the deadline of writing is not the user's; guarded by limits

	// Of push.go, guarded by limits.
	pushing bool // the turn of writing is that of who pushes
	toPush  bool // who pushes waits for it
	waiting int  // writers who do

	writing  sync.Mutex // one writer at a time; what ends one that waits ends all
	unpushed bool       // something was left for the next writer to push
	writeEnd bool       // the Close frame was sent, or never will be
	kind     messageKind
	out      output
	one      [1][]byte
	packs    bool
	held     atomic.Bool   // messages are held back
	batches  atomic.Uint32 // of such that were sent
	seen     atomic.Uint32 // by pushHeld
	holding  *time.Timer   // calls pushHeld
	holds    atomic.Bool   // it runs

	reads   sync.Mutex
	reader  reading
	failure error // that every read meets from now on
	kept    kept  // of a message that is not whole yet
	into    [1][]byte

	more     atomic.Bool   // another message is there behind the last that was read
	messages atomic.Uint32 // that were read
	answered uint32        // of those when one was written last; of who has the turn of writing
	sentText atomic.Bool   // the peer's last message was a text

	ended        atomic.Bool // this end has sent its Close frame
	peerClosed   atomic.Bool // the peer has
	peerClosure  closure     // guarded by limits
	closeTimeout time.Duration
	answering    *time.Timer
	wrote        atomic.Int64 // since peerClosed

	pinging pinging
}

// past is a deadline that ends what waits.
var past = time.Unix(1, 0)

// Lower implements [socket.Layer].
func (e *endpoint) Lower() socket.Endpoint { return e.lower }

func (e *endpoint) Name() socket.Name { return e.lower.Name() }
func (e *endpoint) Peer() socket.Name { return e.lower.Peer() }

// mayRead says why a call that reads must not begin.
func (e *endpoint) mayRead() error {
	switch err := e.over(&e.readDeadline); {
	case err != nil:
		return err
	case e.readEnd.Load():
		return io.EOF
	}
	return e.failure
}

// over says why a call must not begin.
func (e *endpoint) over(deadline *atomic.Int64) error {
	if e.closed.Load() {
		return net.ErrClosed
	}
	if d := deadline.Load(); d != 0 && now() >= d {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// readError is what the endpoint says of an error of reading, which it keeps if it is for
// good.
func (e *endpoint) readError(err error) error {
	switch broken := e.broken.Load(); {
	case e.closed.Load():
		return net.ErrClosed
	case e.failure != nil:
		return e.failure
	case e.readEnd.Load():
		return io.EOF
	case broken != nil:
		err = *broken
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	default:
		if !e.peerClosed.Load() {
			err = cutShort(err)
		}
		err = e.fail(err)
	}
	e.failure = err
	e.reader.in.giveBack()
	return err
}

// A stream is an endpoint whose messages are bytes.
type stream struct{ *endpoint }

func (s stream) Read(b []byte) (int, error) {
	e := s.endpoint
	e.reads.Lock()
	defer e.reads.Unlock()
	if err := e.mayRead(); err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	for {
		over, err := e.next()
		n := 0
		if err == nil && !over {
			n, err = e.piece(b)
		}
		switch {
		case err != nil:
			return 0, e.readError(err)
		case n > 0:
			e.delivered(&e.reader)
			return n, nil
		}
	}
}

func (s stream) Write(b []byte) (n int, err error) {
	e := s.endpoint
	e.takeTurn()
	defer e.giveTurn()
	longest := bufferSize / 2
	if e.packs { // what is packed is bounded for the peer
		longest = int(min(int64(longest), e.reader.most))
	}
	for {
		part := b[n:min(len(b), n+longest)]
		if len(part) == 0 {
			return n, e.mayWrite()
		}
		e.one[0] = part
		err := e.write(e.one[:], len(part), false)
		e.one[0] = nil
		if err != nil {
			return n, err
		}
		n += len(part)
		if n == len(b) {
			return n, nil
		}
	}
}

// A messages is an endpoint whose messages are messages.
type messages struct{ *endpoint }

func (m messages) Read(b []byte) (int, error) {
	e := m.endpoint
	e.reads.Lock()
	defer e.reads.Unlock()
	e.into[0] = b
	n, size, err := e.receive(e.into[:])
	e.into[0] = nil
	if err == nil && n < size {
		err = socket.ErrTruncated
	}
	return n, err
}

// Receive implements [socket.Messenger].
func (m messages) Receive(msg *socket.Message) error {
	if msg.Flags&socket.Peek != 0 {
		return &socket.UnsupportedError{Feature: "peeking at a WebSocket message"}
	}
	msg.N, msg.Size, msg.Flags, msg.SegmentSize = 0, 0, 0, 0
	msg.Ancillary.Present = 0
	msg.Peer = m.peer
	e := m.endpoint
	e.reads.Lock()
	defer e.reads.Unlock()
	var err error
	msg.N, msg.Size, err = e.receive(msg.Buffers)
	switch {
	case err != nil:
		return err
	case msg.N < msg.Size:
		msg.Flags = socket.Truncated
		return socket.ErrTruncated
	}
	msg.Flags = socket.EndOfRecord
	return nil
}

// receive takes the next message. A deadline that passes leaves what had come of it for
// the next call.
func (e *endpoint) receive(buffers [][]byte) (n, size int, err error) {
	if err := e.mayRead(); err != nil {
		return 0, 0, err
	}
	r := &e.reader
	r.in.shown = false
	whole := r.looksAhead
	if r.looksAhead = false; len(buffers) == 1 && len(e.kept.bytes) == 0 && r.isBetween() && (whole || r.whole()) {
		return e.takeWhole(buffers[0])
	}
	v := vector{buffers: buffers}
	n = v.copy(e.kept.bytes)
	full := e.kept.lost || n < len(e.kept.bytes)
	for {
		over, err := e.next()
		if err == nil && over {
			break
		}
		if err == nil {
			b := v.room()
			if full = full || b == nil; full {
				b = nil
			}
			var k int
			if k, err = e.piece(b); b != nil {
				v.used += k
				n += k
			}
		}
		if err != nil {
			err = e.readError(err)
			if e.failure == nil && !e.closed.Load() {
				e.keep(buffers, n)
				e.kept.lost = full && e.reader.size > int64(n)
			}
			return 0, 0, err
		}
	}
	e.forgetKept()
	size = int(e.reader.size)
	e.delivered(&e.reader)
	return n, size, nil
}

// takeWhole is receive of the message that is ahead.
func (e *endpoint) takeWhole(b []byte) (n, size int, err error) {
	r := &e.reader
	payload := r.unmaskAhead()
	r.in.from += r.ahead.size
	if r.text = r.ahead.text; r.text && !utf8.Valid(payload) {
		return 0, 0, e.readError(errNoText)
	}
	n = copy(b, payload)
	e.delivered(r)
	return n, len(payload), nil
}

// A vector is buffers that are filled in order.
type vector struct {
	buffers [][]byte
	used    int // of the first
}

// room is where the next bytes go, nil where there is none.
func (v *vector) room() []byte {
	for len(v.buffers) > 0 {
		if b := v.buffers[0][v.used:]; len(b) > 0 {
			return b
		}
		v.buffers, v.used = v.buffers[1:], 0
	}
	return nil
}

func (v *vector) copy(b []byte) (n int) {
	for n < len(b) {
		room := v.room()
		if room == nil {
			break
		}
		k := copy(room, b[n:])
		v.used += k
		n += k
	}
	return n
}

// delivered notes that a message was read.
func (e *endpoint) delivered(r *reading) {
	r.looksAhead = r.isBetween() && !r.in.isEmpty() && r.whole()
	e.noteRead(r, 1)
}

// noteRead notes that messages were read, for who writes.
func (e *endpoint) noteRead(r *reading, messages uint32) {
	if e.more.Load() != r.looksAhead {
		e.more.Store(r.looksAhead)
	}
	r.messages += messages
	e.messages.Store(r.messages)
	if e.kind == sameKind && e.sentText.Load() != r.text {
		e.sentText.Store(r.text)
	}
}

// LongestMessage is the limit on messages, for whoever provides the memory to read them into.
func (m messages) LongestMessage() int { return int(m.reader.most) }

func (m messages) Write(b []byte) (int, error) {
	e := m.endpoint
	e.takeTurn()
	defer e.giveTurn()
	e.one[0] = b
	err := e.write(e.one[:], len(b), false)
	e.one[0] = nil
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// Send implements [socket.Messenger].
func (m messages) Send(msg *socket.Message) (int, error) {
	if !msg.Peer.IsZero() && msg.Peer != m.peer {
		return 0, os.NewSyscallError("sendmsg", syscall.EISCONN)
	}
	size := 0
	for _, b := range msg.Buffers {
		size += len(b)
	}
	e := m.endpoint
	e.takeTurn()
	defer e.giveTurn()
	if err := e.write(msg.Buffers, size, false); err != nil {
		return 0, err
	}
	return size, nil
}

// Writev implements [socket.VectorWriter].
func (m messages) Writev(buffers [][]byte) (int64, error) {
	n, err := m.Send(&socket.Message{Buffers: buffers})
	return int64(n), err
}

// mayWrite says why nothing can be written.
func (e *endpoint) mayWrite() error {
	broken := e.broken.Load()
	switch err := e.over(&e.writeDeadline); {
	case err != nil:
		return err
	case broken != nil:
		return *broken
	case e.writeEnd:
		return errWriteEnd
	}
	return nil
}

// write sends one message, or leaves it behind for the next, which follows in the same turn. Once a part of it has left, it is sent: where its deadline
// passed, the rest goes on its way when the peer takes it. The caller has the turn of
// writing.
func (e *endpoint) write(buffers [][]byte, size int, follows bool) error {
	if err := e.mayWrite(); err != nil {
		return err
	}
	if r := &e.reader; !r.bytes && int64(size) > r.most {
		return &tooLong{r.most}
	}
	h := ws.Header{Fin: true, OpCode: ws.OpBinary, Length: int64(size)}
	if isText, err := e.isText(buffers); err != nil {
		return err
	} else if isText {
		h.OpCode = ws.OpText
	}
	if e.packs && size >= leastPacked {
		p, err := pack(buffers)
		if err != nil {
			return err
		}
		defer p.free()
		if len(p.data) < size { // packed, it may be longer than the peer takes
			h.Rsv, h.Length, buffers = ws.Rsv(true, false, false), int64(len(p.data)), p.buffers()
		}
	}
	if e.peerClosed.Load() {
		e.wrote.Store(now())
	}
	hold := follows || e.holdsBack()
	begun, err := e.out.message(h, buffers, hold)
	if !follows {
		e.noteHeld(hold)
	}
	if begun && errors.Is(err, os.ErrDeadlineExceeded) && !e.closed.Load() && e.broken.Load() == nil {
		return nil
	}
	if begun && err != nil {
		e.out.failed = true
	}
	return e.writeError(err)
}

// holdsBack reports whether a message waits for the answer to another, which has come whole.
func (e *endpoint) holdsBack() bool {
	read := e.messages.Load()
	hold := e.more.Load() && read != e.answered
	e.answered = read
	return hold
}

// noteHeld notes whether messages are held back, which are sent later if none follows.
func (e *endpoint) noteHeld(hold bool) {
	if held := e.held.Load(); held != hold {
		if e.held.Store(hold); held {
			e.batches.Add(1)
		}
	}
	if hold && !e.holds.Load() {
		e.pushLater()
	}
}

func (e *endpoint) writeError(err error) error {
	broken := e.broken.Load()
	switch {
	case err == nil:
		return nil
	case e.closed.Load():
		return net.ErrClosed
	case broken != nil:
		return *broken
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	return err
}

// Shutdown implements [socket.Shutdowner]. The end of writing is a Close frame; the
// connection beneath stays whole.
func (e *endpoint) Shutdown(how socket.ShutdownHow) error {
	if e.closed.Load() {
		return net.ErrClosed
	}
	if how != socket.ShutdownWrite {
		e.endReading()
	}
	if how == socket.ShutdownRead {
		return nil
	}
	e.takeTurn()
	defer e.giveTurn()
	return e.writeError(e.finish(true))
}

// endReading ends reading for good.
func (e *endpoint) endReading() {
	e.limits.Lock()
	defer e.limits.Unlock()
	e.readEnd.Store(true)
	e.lower.SetReadDeadline(past) // which has no other use any more
}

// Close ends waiting calls, and gives the peer a time to take what was written and the Close
// frame, unless a message was cut short: an incomplete stream must not look complete.
func (e *endpoint) Close() error {
	return e.end(func() error {
		if !e.out.cut() && e.broken.Load() == nil {
			e.lower.SetWriteDeadline(time.Now().Add(closeTime))
			e.finish(true)
		}
		return e.lower.Close()
	})
}

// Abort implements [socket.Aborter].
func (e *endpoint) Abort() error { return e.end(e.lower.Abort) }

// end ends the endpoint, by a func that has the turn of writing.
func (e *endpoint) end(end func() error) error {
	if !e.begin() {
		return net.ErrClosed
	}
	e.writing.Lock()
	err := end()
	e.out.drop()
	e.writing.Unlock() // before the turn of reading: who has that may want this one
	e.reads.Lock()
	defer e.reads.Unlock()
	e.reader.forget()
	e.forgetKept()
	return err
}

// begin ends the endpoint's calls, once.
func (e *endpoint) begin() bool {
	e.limits.Lock()
	defer e.limits.Unlock()
	if e.closed.Swap(true) {
		return false
	}
	for _, t := range []*time.Timer{e.answering, e.holding, e.pinging.timer} {
		if t != nil {
			t.Stop()
		}
	}
	e.lower.SetDeadline(past)
	return true
}

func (e *endpoint) SetReadDeadline(t time.Time) error {
	return e.setDeadline(&e.readDeadline, e.lower.SetReadDeadline, t)
}

func (e *endpoint) SetWriteDeadline(t time.Time) error {
	return e.setDeadline(&e.writeDeadline, e.lower.SetWriteDeadline, t)
}

func (e *endpoint) setDeadline(own *atomic.Int64, set func(time.Time) error, t time.Time) error {
	e.limits.Lock()
	defer e.limits.Unlock()
	if e.closed.Load() {
		return net.ErrClosed
	}
	own.Store(0)
	if !t.IsZero() {
		own.Store(max(int64(t.Sub(epoch)), 1))
	}
	writes := own == &e.writeDeadline
	if !writes && e.readEnd.Load() || writes && (e.pushing || e.forced) || e.broken.Load() != nil {
		return nil // another one holds
	}
	return set(t)
}

// hold sets a deadline of writing that is not the user's, for good.
func (e *endpoint) hold(t time.Time) bool {
	e.limits.Lock()
	defer e.limits.Unlock()
	if e.closed.Load() {
		return false
	}
	e.forced = true
	e.lower.SetWriteDeadline(t)
	return true
}
