// Package prefix reads and writes what a connection begins with, and leaves the
// rest to whoever comes after: for layers that step aside.
package prefix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"zocalo/socket"
)

// past is a deadline that ends what waits.
var past = time.Unix(1, 0)

// Within calls f, whose calls on s end when ctx does.
func Within(ctx context.Context, s *socket.Socket, f func() error) error {
	stop := context.AfterFunc(ctx, func() { s.SetDeadline(past) })
	err := f()
	if !stop() {
		return context.Cause(ctx)
	}
	s.SetDeadline(time.Time{})
	return err
}

// ErrEnded says that a peer has ended the connection before it had said all.
var ErrEnded = errors.New("the peer ended the connection in the middle of the handshake")

// A Reader reads from a connection no byte more than it is asked for.
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

// Unread has the reader begin with b, which was read from it before.
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

// Byte reads one.
func (r *Reader) Byte() (byte, error) {
	var b [1]byte
	err := r.Full(b[:])
	return b[0], err
}

// Until reads up to and with the first of some ends, and is an error beyond that many
// bytes without one.
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
	return got, fmt.Errorf("the peer sent more than %d bytes without an end", most)
}

// toTake is how much of what comes next is sure to
// be before or in the end.
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
		return 1, nil // an end that Read is to find
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

// How long, and for how much, a peer that was refused may take to read of it.
const (
	finishTime = time.Second
	finishMost = 64 << 10
)

// Finish ends a connection of which the last word was written, so that the peer gets
// that: input that is still unread at Close would reset the connection.
func Finish(s *socket.Socket) {
	s.SetDeadline(time.Now().Add(finishTime))
	if s.Shutdown(socket.Write) == nil {
		io.CopyN(io.Discard, readOnly{s}, finishMost)
	}
}

type readOnly struct{ io.Reader }
