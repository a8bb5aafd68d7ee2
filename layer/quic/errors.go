package quic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/socket"
)

// A brokenError is why a stream, or its whole connection, is gone. It matches the errno
// that says the same of TCP. quic-go's own errors are not among what it wraps: they match
// net.ErrClosed, which here is the word for a socket that was closed by its owner.
type brokenError struct {
	text  string
	errno syscall.Errno
	code  uint64
	coded bool // code is what the peer said of a stream
}

func (e *brokenError) Error() string        { return "quic: " + e.text }
func (e *brokenError) Is(target error) bool { return target == e.errno }
func (e *brokenError) Timeout() bool        { return e.errno == syscall.ETIMEDOUT }
func (e *brokenError) Temporary() bool      { return e.Timeout() }

// ResetCode implements [socket.CodedError].
func (e *brokenError) ResetCode() (uint64, bool) { return e.code, e.coded }

var errUnannounced error = &brokenError{text: "the peer opened a stream without the byte that begins every stream of " + Protocol, errno: syscall.ECONNRESET}

var errUnserved error = &brokenError{text: "the peer no longer accepts streams on this connection", errno: syscall.ECONNRESET}

// isUnserved reports whether the peer serves no more streams of the connection, of which none
// is opened then any more.
func (e *stream) isUnserved(err *quicgo.StreamError) bool {
	if err.ErrorCode != codeUnserved || !err.Remote {
		return false
	}
	e.conn.forget()
	return true
}

// readError is what an error of reading is for people.
func (e *stream) readError(err error) error {
	var reset *quicgo.StreamError
	switch {
	case err == nil, err == io.EOF:
		return err
	case e.over.Load():
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	case e.readEnd.Load():
		return io.EOF
	case errors.As(err, &reset) && e.isUnserved(reset):
		return errUnserved
	case errors.As(err, &reset):
		return &brokenError{fmt.Sprintf("the peer reset the stream (code %d)", reset.ErrorCode), syscall.ECONNRESET, uint64(reset.ErrorCode), true}
	}
	return e.prepared.connectionError(err)
}

// writeError is what an error of writing is for people.
func (e *stream) writeError(err error) error {
	var stopped *quicgo.StreamError
	switch {
	case e.over.Load():
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	case errors.Is(err, quicgo.ErrStreamClosed):
		return os.NewSyscallError("write", syscall.EPIPE)
	case errors.As(err, &stopped) && e.isUnserved(stopped):
		return errUnserved
	case errors.As(err, &stopped):
		return &brokenError{fmt.Sprintf("the peer stopped reading (code %d)", stopped.ErrorCode), syscall.EPIPE, uint64(stopped.ErrorCode), true}
	}
	return e.prepared.connectionError(err)
}

// connectionError is why an established connection is gone.
func (p *prepared) connectionError(err error) error {
	broken := func(format string, args ...any) error {
		return &brokenError{text: fmt.Sprintf(format, args...), errno: syscall.ECONNRESET}
	}
	var application *quicgo.ApplicationError
	var transport *quicgo.TransportError
	var lost *quicgo.StatelessResetError
	var silent *quicgo.IdleTimeoutError
	switch {
	case errors.Is(err, quicgo.Err0RTTRejected):
		return broken("the server did not accept the early data, and it could not be sent again")
	case errors.As(err, &silent):
		return &brokenError{text: "the peer was silent for the whole idle timeout", errno: syscall.ETIMEDOUT}
	case errors.As(err, &lost):
		return broken("the peer no longer knows the connection")
	case errors.As(err, &application) && application.Remote:
		return broken("the peer closed the connection (code %d%s)", application.ErrorCode, quoted(application.ErrorMessage))
	case errors.As(err, &transport) && transport.Remote && isAlert(transport):
		return broken("%v", p.tls.Refusal(uint8(transport.ErrorCode-firstAlert)))
	case errors.As(err, &transport) && transport.Remote:
		return broken("the peer ended the connection (%v%s)", transport.ErrorCode, quoted(transport.ErrorMessage))
	case errors.As(err, &transport):
		return broken("what arrived is not QUIC (%v%s)", transport.ErrorCode, quoted(transport.ErrorMessage))
	case errors.As(err, &application):
		return broken("the connection was closed here")
	}
	return broken("the connection broke: %v", bare(err))
}

// quoted is what the peer says in words, none where it says nothing.
func quoted(text string) string {
	if text == "" {
		return ""
	}
	const most = 200
	return fmt.Sprintf(", %q", text[:min(len(text), most)])
}

// A refusedError is why a connection did not come to be.
type refusedError struct {
	text string
	err  error
}

func (e *refusedError) Error() string { return e.text }
func (e *refusedError) Unwrap() error { return e.err }

// The codes of errors of TLS in QUIC (RFC 9001, section 4.8): an alert each.
const (
	firstAlert = 0x100
	lastAlert  = 0x1ff
)

func isAlert(e *quicgo.TransportError) bool {
	return e.ErrorCode >= firstAlert && e.ErrorCode <= lastAlert
}

// handshakeError is what an error of a handshake is for people.
func (p *prepared) handshakeError(err error) error {
	var transport *quicgo.TransportError
	var application *quicgo.ApplicationError
	var version *quicgo.VersionNegotiationError
	var silent *quicgo.HandshakeTimeoutError
	var idle *quicgo.IdleTimeoutError
	var errno syscall.Errno
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &silent), errors.As(err, &idle):
		return errNoAnswer
	case errors.As(err, &version):
		return advisedError("the peer supports no QUIC version that we do", syscall.EPROTONOSUPPORT, "update the older side")
	case errors.As(err, &application):
		return advisedError(fmt.Sprintf("the peer closed the connection (code %d%s)", application.ErrorCode, quoted(application.ErrorMessage)), syscall.ECONNREFUSED, "see the peer's log")
	case errors.As(err, &transport):
		return p.transportError(transport)
	case errors.As(err, &errno):
		return bare(err)
	case errors.Is(err, quicgo.ErrTransportClosed), errors.Is(err, quicgo.ErrServerClosed):
		return net.ErrClosed
	}
	return err
}

// advisedError is a refusedError with what to do, since what its errno alone would
// suggest is wrong: something does listen there.
func advisedError(text string, errno syscall.Errno, hint string) error {
	return &socket.HintError{Err: &refusedError{text, errno}, Hint: hint}
}

func (p *prepared) transportError(e *quicgo.TransportError) error {
	switch alert := isAlert(e); {
	case alert && e.Remote:
		return p.tls.Refusal(uint8(e.ErrorCode - firstAlert))
	case alert:
		for _, err := range e.Unwrap() {
			if err != nil && err != net.ErrClosed {
				return p.tls.Error(err)
			}
		}
	case e.ErrorCode == quicgo.ConnectionRefused:
		return advisedError("the peer is not accepting connections", syscall.ECONNREFUSED, "try again later")
	}
	return &refusedError{fmt.Sprintf("the handshake failed (%v%s)", e.ErrorCode, quoted(e.ErrorMessage)), syscall.ECONNABORTED}
}
