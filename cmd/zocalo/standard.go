package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/address"
	"zocalo/socket"
)

// standardStream is standard input and output while somebody talks, one
// connection after the other: duplicates of the descriptors, whose waiting can
// be ended.
type standardStream struct {
	in, out *socket.Socket
	file    *os.File // standard input itself
	start   int64    // where it stood
	again   bool     // it can be read again from there: a file, /dev/null
}

// takesStandard reports whether what the address means is one of the
// descriptors of standard input and output.
func takesStandard(a address.Address, fds ...int) bool {
	inherited := a.Scheme.Inherited
	return inherited != nil && slices.ContainsFunc(inherited(a.Endpoint), func(fd int) bool { return slices.Contains(fds, fd) })
}

// openStandard takes the app's streams, which must have descriptors.
func (a *app) openStandard() (*standardStream, error) {
	in, isFile := a.in.(*os.File)
	out, isFileToo := a.out.(*os.File)
	if !isFile || !isFileToo {
		return nil, errors.New("standard input and output have no descriptors here")
	}
	defer a.untraced()()
	s := &standardStream{file: in}
	var err error
	if s.in, err = socket.FromFile(in); err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if s.out, err = socket.FromFile(out); err != nil {
		s.in.Close()
		return nil, fmt.Errorf("standard output: %w", err)
	}
	s.start, err = in.Seek(0, io.SeekCurrent)
	s.again = err == nil
	return s, nil
}

// untraced keeps --trace, which is for the calls on sockets, from what is made
// until the func that it returns is called.
func (a *app) untraced() (traced func()) {
	socket.SetTrace(nil)
	return func() {
		if a.trace {
			socket.SetTrace(a.printCall)
		}
	}
}

// rewind makes the next connection read the same input again, where that can
// be.
func (s *standardStream) rewind() error {
	if !s.again {
		return nil
	}
	_, err := s.file.Seek(s.start, io.SeekStart)
	return err
}

func (s *standardStream) Close() error { return errors.Join(s.in.Close(), s.out.Close()) }

// standardError is the failure of standard input or output.
type standardError struct {
	stream string // "standard input"
	err    error
}

func newStandardError(stream string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return &standardError{stream, err}
}

func (e *standardError) Error() string { return e.stream + ": " + e.err.Error() }
func (e *standardError) Unwrap() error { return e.err }

// standard is standard input and output as an end of one conversation.
type standard struct {
	*standardStream
	input      io.Reader   // in, with what the flags do to it
	transcript *transcript // shows what comes, in place of it; nil for none
	peerEnded  func()      // called when the peer has finished
	broken     func(error) // called when nobody reads standard output any more
	closed     atomic.Bool
	inputEnded atomic.Bool
	hurried    atomic.Bool // input ends for this conversation when it pauses
	paused     bool        // and it did
}

// inputPause is how long a hurried input may take to say more.
const inputPause = 250 * time.Millisecond

// hurry makes a pause of input its end.
func (s *standard) hurry() {
	s.hurried.Store(true)
	s.in.SetReadDeadline(time.Now().Add(inputPause))
}

// begin makes an end of the streams. Its Close ends the conversation's calls,
// and leaves the streams open.
func (s *standardStream) begin() *standard {
	s.in.SetReadDeadline(time.Time{})
	s.out.SetWriteDeadline(time.Time{})
	e := &standard{standardStream: s}
	e.input = (*standardInput)(e)
	return e
}

// standardInput reads standard input as it is.
type standardInput standard

func (s *standardInput) Read(b []byte) (int, error) {
	if s.hurried.Load() {
		s.in.SetReadDeadline(time.Now().Add(inputPause))
	}
	n, err := s.in.Read(b)
	if err == io.EOF {
		s.inputEnded.Store(true)
	}
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case s.closed.Load():
		return n, net.ErrClosed
	case s.hurried.Load() && errors.Is(err, os.ErrDeadlineExceeded):
		s.paused = true
		return n, io.EOF
	}
	return n, newStandardError("standard input", err)
}

func (s *standard) Read(b []byte) (int, error) {
	if s.transcript != nil {
		if err := s.transcript.failed(); err != nil {
			return 0, s.outputFailed(err)
		}
	}
	return s.input.Read(b)
}

func (s *standard) Write(b []byte) (int, error) {
	n, err := len(b), error(nil)
	if s.transcript != nil {
		err = s.transcript.failed()
	} else {
		n, err = s.out.Write(b)
	}
	if err != nil {
		return n, s.outputFailed(err)
	}
	return n, nil
}

func (s *standard) outputFailed(err error) error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	err = newStandardError("standard output", err)
	if errors.Is(err, syscall.EPIPE) {
		s.broken(err)
	}
	return err
}

// Shutdown implements socket.Shutdowner: the peer has finished.
func (s *standard) Shutdown(how socket.ShutdownHow) error {
	if how != socket.ShutdownRead {
		s.peerEnded()
	}
	return nil
}

// Close ends the calls.
func (s *standard) Close() error {
	if !s.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	past := time.Unix(1, 0)
	s.in.SetReadDeadline(past)
	s.out.SetWriteDeadline(past)
	return nil
}

func (s *standard) SetReadDeadline(t time.Time) error  { return s.in.SetReadDeadline(t) }
func (s *standard) SetWriteDeadline(t time.Time) error { return s.out.SetWriteDeadline(t) }
func (s *standard) Name() socket.Name                  { return socket.Name{} }
func (s *standard) Peer() socket.Name                  { return socket.Name{} }

// crlfReader makes CRLF of each line end, and leaves alone what is one
// already.
type crlfReader struct {
	r    io.Reader
	last byte // the byte read before
	owed bool // a newline that found no room
}

func (c *crlfReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.owed {
		b[0], c.owed = '\n', false
		return 1, nil
	}
	// What is read into the second half of b cannot outgrow the whole.
	read := b[len(b)/2:]
	if len(b) > 1 {
		read = read[:len(b)/2]
	}
	m, err := c.r.Read(read)
	n := 0
	for _, char := range read[:m] {
		if char == '\n' && c.last != '\r' {
			b[n] = '\r'
			if n++; n == len(b) {
				c.owed, c.last = true, char
				break
			}
		}
		b[n], c.last = char, char
		n++
	}
	return n, err
}

// urgentReader takes each byte of one value out of what is read, and sends it
// as urgent data: once all that came before it was passed on, which is so when
// the next read begins. If there is none, one is sent at the end.
type urgentReader struct {
	r    io.Reader
	char byte
	send func() error

	buf  [4096]byte
	rest []byte // of buf, not yet passed on
	err  error  // due after rest
	sent bool
}

func (u *urgentReader) Read(b []byte) (int, error) {
	for {
		switch i := bytes.IndexByte(u.rest, u.char); {
		case i == 0:
			u.rest, u.sent = u.rest[1:], true
			if err := u.send(); err != nil {
				return 0, err
			}
			continue
		case i > 0:
			n := copy(b, u.rest[:i])
			u.rest = u.rest[n:]
			return n, nil
		case len(u.rest) > 0:
			n := copy(b, u.rest)
			u.rest = u.rest[n:]
			return n, nil
		case u.err == io.EOF && !u.sent:
			u.sent = true
			if err := u.send(); err != nil {
				return 0, err
			}
		}
		if u.err != nil {
			return 0, u.err
		}
		var n int
		n, u.err = u.r.Read(u.buf[:])
		u.rest = u.buf[:n]
	}
}
