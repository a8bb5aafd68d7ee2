package quic

import (
	"context"
	"errors"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/socket/wait"
)

// mostEarly is how much is sent before the handshake is done, and kept until then: a server
// may refuse it, and then it is sent again.
const mostEarly = 64 << 10

// early is what a stream has sent ahead of the handshake (0-RTT).
type early struct {
	settled chan struct{} // closed once the server has taken it, or it was sent again
	sent    []byte        // guarded by the stream's turn of writing
}

func newEarly() *early { return &early{settled: make(chan struct{})} }

// shaking reports whether the handshake of a connection is not done yet.
func shaking(c *quicgo.Conn) bool { return !wait.IsClosed(c.HandshakeComplete()) }

// settle waits for the handshake. What the server did not take goes over a new stream.
func (e *stream) settle(c *connection) {
	defer close(e.early.settled)
	select {
	case <-c.quic.HandshakeComplete():
	case <-c.quic.Context().Done():
		return
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	if _, err := e.quic.Load().Write(nil); errors.Is(err, quicgo.Err0RTTRejected) && !e.aborted.Load() {
		e.sendAgain(c)
	}
	e.early.sent = nil
}

func (e *stream) sendAgain(c *connection) {
	ctx, cancel := context.WithTimeout(c.quic.Context(), c.prepared.handshake)
	defer cancel()
	if _, err := c.quic.NextConnection(ctx); err != nil {
		return
	}
	s, err := c.quic.OpenStreamSync(ctx)
	if err != nil {
		return
	}
	s.SetWriteDeadline(time.Now().Add(c.prepared.handshake))
	if err = c.announce(s); err == nil {
		_, err = s.Write(e.early.sent)
	}
	e.limits.Lock()
	defer e.limits.Unlock()
	if err != nil || e.aborted.Load() {
		abort(s, codeReset)
		return
	}
	s.SetReadDeadline(e.readAt)
	s.SetWriteDeadline(e.writeAt)
	e.quic.Store(s)
}

// unsettled reports whether what was sent may have to be sent again.
func (e *stream) unsettled() bool { return e.early != nil && !wait.IsClosed(e.early.settled) }

// awaitSettled waits until it need not be any more, or for a limit.
func (e *stream) awaitSettled(limits wait.Limits) error {
	if e.early == nil {
		return nil
	}
	_, err := wait.Receive(&limits, e.early.settled)
	return err
}

// refused reports whether an error says that the server did not take what was sent early, and
// another stream than s has taken its place.
func (e *stream) refused(s *quicgo.Stream, err error) (bool, error) {
	if e.early == nil || !errors.Is(err, quicgo.Err0RTTRejected) {
		return false, nil
	}
	err = e.awaitSettled(e.life.ReadLimits(context.Background()))
	return err == nil && e.quic.Load() != s, err
}

// writeEarly writes ahead of the handshake, and keeps what it has written. The caller has the
// turn of writing, which it gives while it waits.
func (e *stream) writeEarly(b []byte) (n int, err error) {
	for n < len(b) && e.unsettled() && !e.over.Load() {
		room := mostEarly - len(e.early.sent)
		if room > 0 {
			var k int
			k, err = e.quic.Load().Write(b[n:min(len(b), n+room)])
			e.early.sent = append(e.early.sent, b[n:n+k]...)
			if n += k; err == nil {
				continue
			}
			if !errors.Is(err, quicgo.Err0RTTRejected) {
				return n, err
			}
		}
		e.writing.Unlock()
		err = e.awaitSettled(e.life.WriteLimits(context.Background()))
		e.writing.Lock()
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
