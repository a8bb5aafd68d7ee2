package quic

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// announcement is the byte that a stream of the protocol zocalo/1 begins with.
const announcement = 'z'

// The codes that this package says, where no peer's are kept.
const (
	codeClosed = 0 // to stop sending to an end that is closed; of a connection, that it is not needed
	codeReset  = 1

	// codeUnserved resets a stream that came after the listener's end. Programs have small codes
	// of their own; this is "zoca".
	codeUnserved = 0x7a6f6361
)

// How long Close waits until the peer has everything, and Abort until it knows.
const (
	closeTime = 5 * time.Second
	abortTime = 200 * time.Millisecond
)

// A stream is a socket of the kind quic: one stream of a connection, or the listener that
// streams come from.
type stream struct {
	base
	life     wait.Life // of a listener
	listener *listener
	quic     atomic.Pointer[quicgo.Stream]

	limits  sync.Mutex // so that no deadline outlives the end that Close sets
	readAt  time.Time
	writeAt time.Time
	over    atomic.Bool // closed
	readEnd atomic.Bool // shut down for reading

	reading   sync.Mutex
	announced atomic.Bool // nothing to skip
	skipped   [1]byte
	peeked    [1]byte

	writing sync.Mutex
	early   *early // of a stream that was opened ahead of the handshake
	aborted atomic.Bool
}

func newStream(k socket.Kind) *stream {
	e := &stream{base: base{kind: k}}
	e.life.Init()
	return e
}

// accepted makes the socket of a stream that the peer has opened.
func accepted(k socket.Kind, c *connection, s *quicgo.Stream) *stream {
	e := &stream{base: base{kind: k, prepared: c.prepared, state: connected, conn: c}}
	e.announced.Store(!c.announced)
	e.quic.Store(s)
	return e
}

// Lower implements [socket.Layer].
func (e *stream) Lower() socket.Endpoint { return e.lower() }

// Connect implements [socket.Connector].
func (e *stream) Connect(ctx context.Context, peer socket.Name) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := e.begin(connecting, cancel); err != nil {
		return err
	}
	c, s, isEarly, err := e.prepared.connect(ctx, &e.base, peer)
	e.limits.Lock()
	defer e.limits.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil && e.closed:
		abort(s, codeReset)
		c.leave()
		return net.ErrClosed
	case e.closed:
		return net.ErrClosed
	case err != nil:
		e.state = failed
		return err
	}
	e.announced.Store(true)
	s.SetReadDeadline(e.readAt)
	s.SetWriteDeadline(e.writeAt)
	e.state, e.conn = connected, c
	if e.udp != nil { // as the connection has another
		e.udp.Close()
		e.udp = nil
	}
	if isEarly {
		e.early = newEarly()
	}
	e.quic.Store(s)
	if isEarly {
		go e.settle(c)
	}
	return nil
}

// Read implements [socket.Endpoint].
func (e *stream) Read(b []byte) (int, error) {
	s := e.quic.Load()
	switch {
	case s == nil:
		return 0, e.unconnected("read")
	case e.over.Load():
		return 0, net.ErrClosed
	case e.readEnd.Load():
		return 0, io.EOF
	case !e.announced.Load():
		if err := e.skip(s); err != nil {
			return 0, err
		}
	}
	n, err := s.Read(b)
	if err != nil && n == 0 {
		return e.failRead(s, b, err)
	}
	return n, nil // an error is there the next time
}

// failRead is what Read makes of an error.
func (e *stream) failRead(s *quicgo.Stream, b []byte, err error) (int, error) {
	if again, limit := e.refused(s, err); limit != nil {
		return 0, limit
	} else if again {
		return e.Read(b)
	}
	return 0, e.readError(err)
}

// skip reads the byte that announced the stream.
func (e *stream) skip(s *quicgo.Stream) error {
	e.reading.Lock()
	defer e.reading.Unlock()
	if e.announced.Load() {
		return nil
	}
	n, err := s.Read(e.skipped[:])
	switch {
	case n == 1 && e.skipped[0] == announcement:
		e.announced.Store(true)
		return nil
	case n == 1, err == io.EOF:
		abort(s, codeReset)
		return errUnannounced
	}
	return e.readError(err)
}

// WaitRead implements [socket.ReadWaiter].
func (e *stream) WaitRead() error {
	s := e.quic.Load()
	switch {
	case s == nil:
		return e.unconnected("read")
	case e.over.Load():
		return net.ErrClosed
	case e.readEnd.Load():
		return nil
	case !e.announced.Load():
		if err := e.skip(s); err != nil {
			return err
		}
	}
	_, err := s.Peek(e.peeked[:])
	if err != nil {
		if again, limit := e.refused(s, err); limit != nil {
			return limit
		} else if again {
			return e.WaitRead()
		}
		err = e.readError(err)
		if err != net.ErrClosed && err != os.ErrDeadlineExceeded {
			err = nil // for Read to tell
		}
	}
	return err
}

// Write implements [socket.Endpoint].
func (e *stream) Write(b []byte) (int, error) {
	if e.quic.Load() == nil {
		return 0, e.unconnected("write")
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	var before int
	if e.unsettled() {
		var err error
		if before, err = e.writeEarly(b); err != nil {
			return before, e.writeError(err)
		}
	}
	if e.over.Load() {
		return before, net.ErrClosed
	}
	if before > 0 && before == len(b) {
		return before, nil
	}
	n, err := e.quic.Load().Write(b[before:])
	if err != nil {
		err = e.writeError(err)
	}
	return before + n, err
}

// Shutdown implements [socket.Shutdowner]: the end of writing is QUIC's FIN, and that of
// reading asks the peer to stop.
func (e *stream) Shutdown(how socket.ShutdownHow) error {
	s := e.quic.Load()
	if s == nil {
		return e.unconnected("shutdown")
	}
	if e.over.Load() {
		return net.ErrClosed
	}
	if e.unsettled() {
		if err := e.awaitSettled(e.life.WriteLimits(context.Background())); err != nil {
			return err
		}
		s = e.quic.Load()
	}
	if how != socket.ShutdownWrite {
		e.readEnd.Store(true)
		s.CancelRead(codeClosed)
	}
	if how != socket.ShutdownRead {
		e.writing.Lock()
		defer e.writing.Unlock()
		if e.over.Load() {
			return net.ErrClosed
		}
		if s.Close() != nil { // since the peer has asked to stop
			return os.NewSyscallError("shutdown", syscall.EPIPE)
		}
	}
	return nil
}

// Close implements [socket.Endpoint]. It waits, for a while, until the peer has everything
// that was written, since what has not arrived is lost when the program ends. A peer that still
// sends is asked to stop.
func (e *stream) Close() error {
	s, ok := e.finish()
	if !ok {
		return net.ErrClosed
	}
	if s != nil {
		if e.unsettled() {
			select {
			case <-e.early.settled:
			case <-time.After(closeTime):
			}
			s = e.quic.Load()
		}
		e.writing.Lock() // whoever had it stops
		s.Close()
		e.writing.Unlock()
		s.CancelRead(codeClosed)
		delivered(s, closeTime)
	}
	e.free()
	return nil
}

// Abort implements [socket.Aborter].
func (e *stream) Abort() error { return e.AbortCode(codeReset) }

// AbortCode implements [socket.CodeAborter]. A reset is RESET_STREAM and STOP_SENDING
// together: nothing passes in either direction any more.
func (e *stream) AbortCode(code uint64) error {
	e.aborted.Store(true)
	s, ok := e.finish()
	if !ok {
		return net.ErrClosed
	}
	if s != nil {
		abort(s, quicgo.StreamErrorCode(code))
		delivered(s, abortTime)
	}
	e.free()
	return nil
}

func abort(s *quicgo.Stream, code quicgo.StreamErrorCode) {
	s.CancelWrite(code)
	s.CancelRead(code)
}

// finish ends all calls, once, and returns the stream if there is one.
func (e *stream) finish() (*quicgo.Stream, bool) {
	if !e.end() {
		return nil, false
	}
	e.limits.Lock()
	defer e.limits.Unlock()
	e.over.Store(true)
	e.mu.Lock()
	stop, l := e.stop, e.listener
	e.mu.Unlock()
	if stop != nil {
		stop()
	}
	if l != nil {
		l.close()
	}
	s := e.quic.Load()
	if s == nil || e.early != nil {
		e.life.End()
	}
	if s == nil {
		return nil, true
	}
	s.SetReadDeadline(past)
	s.SetWriteDeadline(past)
	return s, true
}

// SetReadDeadline implements [socket.Endpoint].
func (e *stream) SetReadDeadline(t time.Time) error {
	e.limits.Lock()
	defer e.limits.Unlock()
	if e.over.Load() {
		return net.ErrClosed
	}
	e.readAt = t
	s := e.quic.Load()
	if s == nil || e.early != nil {
		e.life.SetReadDeadline(t)
	}
	if s != nil {
		return s.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline implements [socket.Endpoint].
func (e *stream) SetWriteDeadline(t time.Time) error {
	e.limits.Lock()
	defer e.limits.Unlock()
	if e.over.Load() {
		return net.ErrClosed
	}
	e.writeAt = t
	s := e.quic.Load()
	if s == nil || e.early != nil {
		e.life.SetWriteDeadline(t)
	}
	if s != nil {
		return s.SetWriteDeadline(t)
	}
	return nil
}

// unconnected is the error of a call that needs a connection.
func (e *stream) unconnected(call string) error {
	if e.over.Load() {
		return net.ErrClosed
	}
	return os.NewSyscallError(call, syscall.ENOTCONN)
}
