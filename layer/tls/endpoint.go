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

// closeTime is for how long Close waits for the peer to take close_notify.
const closeTime = 5 * time.Second

// An endpoint is one end of a TLS connection. Deadlines are those of the
// connection beneath: what ends waiting there ends it here.
type endpoint struct {
	conn    *tls.Conn
	wire    *wire
	lower   *socket.Socket
	passive bool
	proven  bool // the peer's certificate is what was asked for

	closed  atomic.Bool
	readEnd atomic.Bool // shut down for reading

	limits                      sync.Mutex   // so that no deadline outlives the end that Close sets
	readDeadline, writeDeadline atomic.Int64 // since epoch; 0 is none

	writing  sync.Mutex // one writer at a time; what ends one that waits ends all
	writeEnd bool       // close_notify was sent, or never will be
	pushing  bool       // of push.go; guarded by limits

	reading sync.Mutex
	input   input
	first   [1]byte // read by WaitRead, ahead of Read
	ahead   bool
	failure error // that WaitRead met
}

// newWire returns the wire of a handshake.
func (p *prepared) newWire(lower *socket.Socket) *wire {
	_, waits := socket.As[socket.ReadWaiter](lower)
	return &wire{lower: lower, bounded: lower.Properties().Bounded, waits: waits, optional: p.optional, shaking: true}
}

// endpoint returns the socket of a connection whose handshake is done.
func (p *prepared) endpoint(conn *tls.Conn, w *wire) *socket.Socket {
	w.shaking = false
	e := &endpoint{conn: conn, wire: w, lower: w.lower, passive: p.passive, input: inputOf(conn)}
	state := conn.ConnectionState()
	e.proven = p.proves(&state)
	if w.waits {
		return socket.WrapLayer(scheme, waiter{e}, w.lower)
	}
	return socket.WrapLayer(scheme, e, w.lower)
}

var epoch = time.Now()

// past is a deadline that ends what waits.
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

// read reads by crypto/tls, which waits. The caller has the turn of reading.
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

// isIdle reports whether all that was read from below has been passed on.
func (e *endpoint) isIdle() bool { return e.input.isEmpty() && e.wire.from == e.wire.to }

// fails notes an error that every read meets from now on.
func (e *endpoint) fails(err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		e.failure = err
	}
}

// try reads what is there, as far as what lies beneath crypto/tls needs no read that
// would wait. The caller has the turn of reading.
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

// A waiter is an endpoint over a connection that can be waited for without memory.
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

// lookAhead reports whether Read would not wait. It is kept apart from WaitRead, lest the
// stack of a waiting goroutine be larger. The caller has the turn of reading.
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
		err = nil // for Read to tell
	}
	return true, err
}

// over says why a call must not begin.
func (e *endpoint) over(deadline *atomic.Int64) error {
	if e.closed.Load() {
		return net.ErrClosed
	}
	if d := deadline.Load(); d != 0 && int64(time.Since(epoch)) >= d {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// readError is what the endpoint says of an error of reading.
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

// Write encrypts as much at a time as the connection beneath is then made to take.
// What it returns as written is sent: where its deadline passed, the rest of that goes
// on its way when the peer takes it.
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

// Shutdown implements [socket.Shutdowner]. The end of writing is a close_notify; the
// connection beneath stays whole.
func (e *endpoint) Shutdown(how socket.How) error {
	if e.closed.Load() {
		return net.ErrClosed
	}
	if how != socket.Write {
		e.readEnd.Store(true)
		e.lower.SetReadDeadline(past) // which has no other use any more
	}
	if how == socket.Read {
		return nil
	}
	e.takeTurn()
	defer e.giveTurn()
	if err := e.finish(); err != nil {
		return e.writeError(err)
	}
	return nil
}

// finish sends close_notify, after all that was written. The caller has the turn of
// writing.
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

// Close ends what waits, and sends close_notify unless a write was cut short: what
// is not whole must not look so.
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

// begin ends the endpoint's calls, once.
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
		return nil // another one holds
	}
	return set(t)
}
