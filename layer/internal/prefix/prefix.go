// Package prefix reads and writes the beginning of a connection, and leaves every byte
// after it alone. It is for layers that step aside.
package prefix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"zocalo/socket"
)

// past is a deadline that ends any wait.
var past = time.Unix(1, 0)

// Within calls f, and ends its waits on s when ctx ends.
func Within(ctx context.Context, s *socket.Socket, f func() error) error {
	stop := context.AfterFunc(ctx, func() { s.SetDeadline(past) })
	err := f()
	if !stop() {
		return context.Cause(ctx)
	}
	s.SetDeadline(time.Time{})
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return &resetError{err}
	}
	return err
}

// ErrEnded is a connection that the peer closed during the handshake.
var ErrEnded = errors.New("the peer closed the connection during the handshake")

// A resetError is a connection that the peer reset during the handshake.
type resetError struct{ err error }

func (e *resetError) Error() string { return "the peer reset the connection during the handshake" }
func (e *resetError) Unwrap() error { return e.err }

// A Reader reads exactly what it is asked for from a connection.
type Reader struct {
	s      *socket.Socket
	peeks  bool
	unread []byte
	m      socket.Message
}

// NewReader returns a reader of s.
func NewReader(s *socket.Socket) *Reader {
	_, kernel := socket.As[socket.Descriptor](s)
	_, receives := socket.As[socket.Messenger](s)
	return &Reader{s: s, peeks: kernel && receives}
}

// Unread puts back b, which was read before.
func (r *Reader) Unread(b ...byte) { r.unread = append(b, r.unread...) }

// Read reads what is there.
func (r *Reader) Read(b []byte) (int, error) {
	if len(r.unread) > 0 {
		n := copy(b, r.unread)
		r.unread = r.unread[n:]
		return n, nil
	}
	return r.s.Read(b)
}

// Full fills b.
func (r *Reader) Full(b []byte) error {
	_, err := io.ReadFull(r, b)
	return ended(err)
}

// Byte reads one byte.
func (r *Reader) Byte() (byte, error) {
	var b [1]byte
	err := r.Full(b[:])
	return b[0], err
}

// Until reads up to and including the first of ends, which must come within most bytes.
func (r *Reader) Until(most int, ends ...string) (got []byte, err error) {
	for len(got) < most {
		n, err := r.toTake(got, min(512, most-len(got)), ends)
		if err != nil {
			return got, ended(err)
		}
		from := len(got)
		got = append(got, make([]byte, n)...)
		if err := r.Full(got[from:]); err != nil {
			return got[:from], err
		}
		for _, end := range ends {
			if bytes.HasSuffix(got, []byte(end)) {
				return got, nil
			}
		}
	}
	return got, fmt.Errorf("the peer sent more than %d bytes without ending its message", most)
}

// toTake returns how many of the next bytes can be read without going beyond the end.
func (r *Reader) toTake(got []byte, most int, ends []string) (int, error) {
	if !r.peeks || len(r.unread) > 0 {
		return 1, nil
	}
	all := append(got[:len(got):len(got)], make([]byte, most)...)
	r.m.SetData(all[len(got):])
	r.m.Flags = socket.Peek
	err := r.s.Receive(&r.m)
	switch {
	case err != nil && r.m.N == 0:
		return 0, err
	case r.m.N == 0:
		return 1, nil // Read finds the end of the connection
	}
	all = all[:len(got)+r.m.N]
	n := len(all)
	for _, end := range ends {
		search := max(0, len(got)-len(end)+1)
		if i := bytes.Index(all[search:], []byte(end)); i >= 0 {
			n = min(n, search+i+len(end))
		}
	}
	return n - len(got), nil
}

func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrEnded
	}
	return err
}

// How long a peer may take to read why it was refused, and how much it may send meanwhile.
const (
	finishTime = time.Second
	finishMost = 64 << 10
)

// Finish ends a connection after its last message, so that the peer receives that:
// Close with unread input would reset the connection.
func Finish(s *socket.Socket) {
	s.SetDeadline(time.Now().Add(finishTime))
	if s.Shutdown(socket.ShutdownWrite) == nil {
		io.CopyN(io.Discard, readOnly{s}, finishMost)
	}
}

type readOnly struct{ io.Reader }
