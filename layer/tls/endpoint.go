package tls

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
)

// closeTime bounds how long Close waits to send close_notify.
const closeTime = 5 * time.Second

// An endpoint is one end of a TLS connection. Its deadlines are set on the connection
// beneath, since that is where it waits.
type endpoint struct {
	conn    *tls.Conn
	wire    *wire
	lower   *socket.Socket
	passive bool
	proven  bool // the peer's certificate was verified

	closed  atomic.Bool
	readEnd atomic.Bool // shut down for reading

	limits                      sync.Mutex   // keeps a late deadline from undoing that of Close
	readDeadline, writeDeadline atomic.Int64 // since epoch; 0 is none

	writing  sync.Mutex   // held by one writer at a time; a deadline or Close ends its wait
	writeEnd bool         // close_notify was sent, or never will be
	pushing  bool         // see push.go; guarded by limits
	waiting  atomic.Int32 // of those who want to write

	reading sync.Mutex
	input   input
	first   [1]byte // read by WaitRead, for Read
	ahead   bool    // first holds a byte
	failure error   // returned by every further Read
}

// newWire returns the wire for a handshake.
func (p *prepared) newWire(lower *socket.Socket) *wire {
	_, waits := socket.As[socket.ReadWaiter](lower)
	return &wire{lower: lower, bounded: lower.Properties().Bounded, waits: waits, optional: p.optional, shaking: true}
}

// endpoint returns the socket of a connection after its handshake.
func (p *prepared) endpoint(conn *tls.Conn, w *wire) *socket.Socket {
	w.shaking = false
	e := &endpoint{conn: conn, wire: w, lower: w.lower, passive: p.passive, input: inputOf(conn)}
	state := conn.ConnectionState()
	e.proven = proves(&state)
	if w.waits {
		return layer.Wrap(waiter{e}, w.lower)
	}
	return layer.Wrap(e, w.lower)
}

var epoch = time.Now()

// past is a deadline that ends any wait.
var past = time.Unix(1, 0)

// Lower implements [socket.Layer].
func (e *endpoint) Lower() socket.Endpoint { return e.lower }

func (e *endpoint) Name() socket.Name { return e.lower.Name() }
func (e *endpoint) Peer() socket.Name { return e.lower.Peer() }

func (e *endpoint) Read(b []byte) (int, error) {
	e.reading.Lock()
	defer e.reading.Unlock()
	if err := e.over(&e.readDeadline); err != nil {
		return 0, err
	}
	switch {
	case e.readEnd.Load():
		return 0, io.EOF
	case len(b) == 0:
		return 0, nil
	case e.failure != nil:
		return 0, e.failure
	case !e.ahead:
		return e.read(b)
	}
	b[0], e.ahead = e.first[0], false
	n, err := e.try(b[1:])
	if err == errNothingYet {
		err = nil
	}
	e.fails(err)
	return n + 1, nil
}

// read reads through crypto/tls and may wait. The caller holds reading.
func (e *endpoint) read(b []byte) (int, error) {
	if e.wire.waits && e.isIdle() {
		if err := e.lower.WaitRead(); err != nil {
			return 0, e.readError(err)
		}
	}
	e.input.lend()
	n, err := e.conn.Read(b)
	e.input.takeBack()
	err = e.readError(err)
	e.fails(err)
	return n, err
}

// isIdle reports whether everything read from below has been passed on.
func (e *endpoint) isIdle() bool { return e.input.isEmpty() && e.wire.from == e.wire.to }

// Holds reports whether something was read from below that Read has not returned yet.
func (e *endpoint) Holds() bool {
	if !e.reading.TryLock() {
		return true // who reads may have it
	}
	defer e.reading.Unlock()
	return e.ahead || !e.isIdle()
}

// fails keeps an error for every further read.
func (e *endpoint) fails(err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		e.failure = err
	}
}

// try reads what is there without waiting. The caller holds reading.
func (e *endpoint) try(b []byte) (n int, err error) {
	switch {
	case e.wire.ready:
		e.input.lend()
	case e.isIdle():
		return 0, errNothingYet
	}
	e.wire.trying = true
	defer func() {
		e.wire.trying = false
		e.input.takeBack()
	}()
	for n < len(b) && err == nil {
		var more int
		more, err = e.conn.Read(b[n:])
		n += more
	}
	if err != nil && !errors.Is(err, errNothingYet) {
		return n, e.readError(err)
	}
	return n, err
}

// A waiter is an endpoint over a connection that can wait without a buffer.
type waiter struct{ *endpoint }

// WaitRead implements [socket.ReadWaiter].
func (w waiter) WaitRead() error {
	e := w.endpoint
	e.reading.Lock()
	defer e.reading.Unlock()
	for {
		if ready, err := e.lookAhead(); ready || err != nil {
			return err
		}
		if err := e.lower.WaitRead(); err != nil {
			return e.readError(err)
		}
		e.wire.ready = true
	}
}

// lookAhead reports whether Read would return at once. It is not inlined, since that would
// enlarge the stack of every goroutine in WaitRead. The caller holds reading.
//
//go:noinline
func (e *endpoint) lookAhead() (ready bool, err error) {
	if err := e.over(&e.readDeadline); err != nil {
		return false, err
	}
	if e.ahead || e.failure != nil || e.readEnd.Load() {
		return true, nil
	}
	n, err := e.try(e.first[:])
	switch {
	case n > 0:
		e.ahead = true
		return true, nil
	case err == errNothingYet:
		return false, nil
	}
	e.fails(err)
	if e.failure != nil {
		err = nil // Read returns it
	}
	return true, err
}

// over returns why a call must not begin, or nil.
func (e *endpoint) over(deadline *atomic.Int64) error {
	if e.closed.Load() {
		return net.ErrClosed
	}
	if d := deadline.Load(); d != 0 && int64(time.Since(epoch)) >= d {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// readError translates an error of reading.
func (e *endpoint) readError(err error) error {
	switch {
	case err == nil, err == io.EOF:
		return err
	case e.closed.Load():
		return net.ErrClosed
	case e.readEnd.Load():
		return io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	return connectionError(err)
}

// Write encrypts a chunk at a time and has the connection beneath take all of it. What
// it reports as written will be sent: if the deadline passed, push.go sends the rest once
// the peer takes it.
func (e *endpoint) Write(b []byte) (n int, err error) {
	e.takeTurn()
	defer e.giveTurn()
	for {
		if err = e.over(&e.writeDeadline); err == nil {
			err = e.wire.flush()
		}
		switch {
		case err != nil:
			return n, e.writeError(err)
		case e.writeEnd:
			return n, syscall.EPIPE
		case n == len(b):
			return n, nil
		}
		k, err := e.conn.Write(b[n:min(len(b), n+chunkSize)])
		n += k
		if err != nil {
			return n, e.writeError(err)
		}
	}
}

func (e *endpoint) writeError(err error) error {
	switch {
	case e.closed.Load():
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	return connectionError(err)
}

// Shutdown implements [socket.Shutdowner]. It ends writing with close_notify and leaves
// the connection beneath open.
func (e *endpoint) Shutdown(how socket.ShutdownHow) error {
	if e.closed.Load() {
		return net.ErrClosed
	}
	if how != socket.ShutdownWrite {
		e.readEnd.Store(true)
		e.lower.SetReadDeadline(past) // nobody reads from it any more
	}
	if how == socket.ShutdownRead {
		return nil
	}
	e.takeTurn()
	defer e.giveTurn()
	if err := e.finish(); err != nil {
		return e.writeError(err)
	}
	return nil
}

// finish sends close_notify after everything written. The caller holds writing.
func (e *endpoint) finish() error {
	if err := e.wire.flush(); err != nil || e.writeEnd {
		return err
	}
	e.writeEnd = true
	if err := e.conn.CloseWrite(); err != nil {
		return err
	}
	return e.wire.flush()
}

// Close ends all waits, and sends close_notify unless a write was cut short: an
// incomplete stream must not look complete.
func (e *endpoint) Close() error {
	if !e.begin() {
		return net.ErrClosed
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	if !e.wire.cut() {
		e.lower.SetWriteDeadline(time.Now().Add(closeTime))
		e.finish()
	}
	e.wire.drop()
	return e.lower.Close()
}

// begin ends all waits, and reports whether it is the first call.
func (e *endpoint) begin() bool {
	e.limits.Lock()
	defer e.limits.Unlock()
	if e.closed.Swap(true) {
		return false
	}
	e.lower.SetDeadline(past)
	return true
}

// Abort implements [socket.Aborter].
func (e *endpoint) Abort() error {
	if !e.begin() {
		return net.ErrClosed
	}
	err := e.lower.Abort()
	e.writing.Lock()
	defer e.writing.Unlock()
	e.wire.drop()
	return err
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
	if own == &e.readDeadline && e.readEnd.Load() || own == &e.writeDeadline && e.pushing {
		return nil // it applies later, or never
	}
	return set(t)
}
