package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"zocalo/codec"
	"zocalo/internal/units"
	"zocalo/socket"
)

const (
	closeTime = 5 * time.Second // for how long Close waits for the peer to take what is left
	tellTime  = time.Second     // for how long a peer that broke the protocol may take to hear so
)

// A cutError says that a connection did not end in order. It matches ECONNRESET:
// nothing may take it for a whole one.
type cutError struct{ text string }

func (e *cutError) Error() string        { return e.text }
func (e *cutError) Is(target error) bool { return target == syscall.ECONNRESET }

var (
	// errCut is the end of a connection beneath without a Close frame.
	errCut error = &cutError{"ws: the peer ended the connection without a Close frame, so it may have been cut short"}

	errWriteEnd = &endError{"ws: nothing can be sent after the Close frame"}
)

// An endError says that nothing can be written any more. It matches EPIPE.
type endError struct{ text string }

func (e *endError) Error() string        { return e.text }
func (e *endError) Is(target error) bool { return target == syscall.EPIPE }

// A tooLong refuses a message that is longer than this end itself takes. It matches
// EMSGSIZE.
type tooLong struct{ most int64 }

func (e *tooLong) Error() string {
	return fmt.Sprintf("ws: the message is longer than max-message=%s", codec.FormatSize(e.most))
}
func (e *tooLong) Is(target error) bool { return target == syscall.EMSGSIZE }

// A silentError says that the peer does not answer. It matches ETIMEDOUT.
type silentError struct{ after time.Duration }

func (e *silentError) Error() string {
	return fmt.Sprintf("ws: the peer did not answer a ping within %s: allow more with ping=TIME, or send none with ping=0", units.Set(e.after))
}
func (e *silentError) Is(target error) bool { return target == syscall.ETIMEDOUT }

// A violation says what the peer did that the protocol, or a bound, forbids.
type violation struct {
	code ws.StatusCode // to tell it
	text string
}

func (v *violation) Error() string        { return "ws: " + v.text }
func (v *violation) Is(target error) bool { return target == syscall.ECONNRESET }

func violates(text string) error {
	return &violation{ws.StatusProtocolError, "the peer violated the protocol: " + text}
}

// A closure is what a Close frame says.
type closure struct {
	code   ws.StatusCode // 0 for none
	reason string
}

func (c closure) String() string {
	switch {
	case c.code == 0:
		return "without a code"
	case c.reason == "":
		return strconv.Itoa(int(c.code)) + codeText(c.code)
	}
	return fmt.Sprintf("%d%s %q", c.code, codeText(c.code), c.reason)
}

// codeText is the meaning of a code, after a space; "" for codes of applications.
func codeText(code ws.StatusCode) string {
	text := map[ws.StatusCode]string{
		1000: "normal", 1001: "going away", 1002: "protocol error", 1003: "unsupported data", 1007: "invalid data", 1008: "policy violation",
		1009: "message too big", 1010: "extension missing", 1011: "internal error", 1012: "restart", 1013: "try again later", 1014: "bad gateway",
	}[code]
	if text != "" {
		text = " " + text
	}
	return text
}

// ends is what reading comes to after the peer's Close frame: the end, where the code
// says that the peer had said all, or an error.
func (c closure) ends() error {
	switch c.code {
	case 0, ws.StatusNormalClosure, ws.StatusGoingAway:
		return io.EOF
	}
	if c.code >= 3000 { // whatever it means, the peer has ended in order
		return io.EOF
	}
	return &cutError{"ws: the peer closed the connection: " + c.String()}
}

// parseClose reads the payload of a Close frame.
func parseClose(b []byte) (c closure, err error) {
	switch len(b) {
	case 0:
		return c, nil
	case 1:
		return c, violates("a Close frame with a one-byte code")
	}
	c = closure{ws.StatusCode(binary.BigEndian.Uint16(b)), string(b[2:])}
	defined := c.code >= 1000 && c.code <= 1014 && c.code != 1004 && c.code != 1005 && c.code != 1006
	switch {
	case !defined && (c.code < 3000 || c.code > 4999):
		return c, violates(fmt.Sprintf("a Close frame with the code %d", c.code))
	case !utf8.ValidString(c.reason):
		return c, &violation{ws.StatusInvalidFramePayloadData, "the reason in a Close frame is not UTF-8"}
	}
	return c, nil
}

// finish sends the Close frame, after all that was written: with the code of the peer's
// where it has come; with one of a failure where this end has not finished. The caller has
// the turn of writing.
func (e *endpoint) finish(whole bool) error {
	if err := e.flush(); err != nil || e.writeEnd {
		return err
	}
	e.writeEnd = true
	ours := closure{code: ws.StatusNormalClosure}
	e.limits.Lock()
	switch {
	case !whole:
		ours = closure{ws.StatusInternalServerError, "this end did not finish within close-timeout=" + e.closeTimeout.String()}
	case e.peerClosed.Load():
		ours.code = e.peerClosure.code
	}
	e.limits.Unlock()
	e.out.close(ours)
	return e.flush()
}

// flush has the connection beneath take what was made, and ends it behind our Close frame.
func (e *endpoint) flush() error {
	if err := e.out.flush(); err != nil {
		return err
	}
	if e.out.ended.Load() && !e.ended.Swap(true) {
		e.endBelow()
	}
	return nil
}

// endBelow ends the sending side of the connection beneath once both ends have sent their
// Close frame: servers wait for that.
func (e *endpoint) endBelow() {
	if e.ended.Load() && e.peerClosed.Load() {
		e.lower.Shutdown(socket.ShutdownWrite)
	}
}

// fail ends a connection whose peer broke the protocol, and tells it why. The caller has
// the turn of reading.
func (e *endpoint) fail(err error) error {
	var v *violation
	if !errors.As(err, &v) {
		return err
	}
	e.broken.CompareAndSwap(nil, &err)
	if !e.hold(time.Now().Add(tellTime)) {
		return err
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	if e.out.flush() == nil && !e.writeEnd {
		e.writeEnd = true
		e.out.close(closure{v.code, v.text[:min(len(v.text), longestReason)]})
		e.out.flush()
	}
	e.lower.Shutdown(socket.ShutdownWrite)
	return err
}

// longestReason is the most bytes of a reason in a Close frame.
const longestReason = ws.MaxControlFramePayloadSize - 2

// closedBy notes the peer's Close frame. Our own waits until this end has finished too,
// unless it has written nothing for a time.
func (e *endpoint) closedBy(c closure) error {
	e.limits.Lock()
	e.peerClosure = c
	e.peerClosed.Store(true)
	if e.closeTimeout > 0 && !e.closed.Load() && !e.ended.Load() {
		e.wrote.Store(now())
		e.answering = time.AfterFunc(e.closeTimeout, e.answer)
	}
	e.limits.Unlock()
	slog.Debug("ws: the peer sent its Close frame", "peer", e.peer.String(), "code", c.String())
	e.endBelow()
	return c.ends()
}

// answer answers the peer's Close frame where this end has been silent since for too
// long. It has not finished, so what it sent must not look whole.
func (e *endpoint) answer() {
	if e.closed.Load() {
		return
	}
	left := e.closeTimeout - time.Duration(now()-e.wrote.Load())
	if left <= 0 {
		if left = e.closeTimeout; e.writing.TryLock() { // a writer that waits is not silent
			err := e.finish(false)
			made := e.writeEnd
			e.giveTurn()
			if made || !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			} // else what goes before the Close frame has not left yet
		}
	}
	e.limits.Lock()
	defer e.limits.Unlock()
	if !e.closed.Load() {
		e.answering.Reset(left)
	}
}
