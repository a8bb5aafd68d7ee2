package prefix

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"zocalo/internal/sys"
	"zocalo/socket"
)

// A Judge looks at everything a peer has sent so far, at least one byte. done says that
// this is enough; the layer then consumes the first take bytes.
type Judge func(said []byte) (take int, done bool, err error)

// firstPeek is the size of the first look, enough for most beginnings.
const firstPeek = 1024

// Peek shows judge what the peer sends, at most most bytes, until it has enough, and
// consumes what judge takes. The rest is read from the socket that Peek returns, which is
// s itself if the kernel lets it be peeked at. The end of ctx ends Peek.
func Peek(ctx context.Context, s *socket.Socket, most int, judge Judge) (next *socket.Socket, err error) {
	next = s
	err = Within(ctx, s, func() (err error) {
		if _, ok := socket.As[socket.Descriptor](s); ok {
			return peek(s, most, judge)
		}
		next, err = readAhead(s, most, judge)
		return err
	})
	return next, err
}

func tooLong(most int) error {
	return fmt.Errorf("the peer sent more than %d bytes without completing its first message", most)
}

// peek looks into the receive queue of a kernel socket, and waits for more there.
func peek(s *socket.Socket, most int, judge Judge) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	b := make([]byte, min(firstPeek, most))
	for seen := 0; ; {
		var n int
		var errno syscall.Errno
		var ended bool
		err := raw.Read(func(fd uintptr) bool {
			_, ended, _ = sys.Hangup(int(fd)) // first, so that recv sees everything that came before the end
			n, errno = sys.Recv(int(fd), b, sys.Peek|sys.DontWait)
			return errno != syscall.EAGAIN && (errno != 0 || n > seen || n == 0 || ended)
		})
		switch {
		case err != nil:
			return err
		case errno != 0:
			return os.NewSyscallError("recv", errno)
		case n == 0:
			return io.EOF
		case n == seen: // the end came
			return io.ErrUnexpectedEOF
		}
		seen = n
		take, done, err := judge(b[:n])
		switch {
		case err != nil:
			return err
		case done:
			_, err = io.ReadFull(s, b[:take])
			return err
		case n == most:
			return tooLong(most)
		case n == len(b):
			b = make([]byte, min(2*len(b), most))
		}
	}
}

// readAhead reads from a connection that cannot be peeked at.
func readAhead(s *socket.Socket, most int, judge Judge) (*socket.Socket, error) {
	b := make([]byte, most)
	for n := 0; ; {
		k, err := s.Read(b[n:])
		n += k
		take, done := 0, false
		if k > 0 {
			take, done, err = judge(b[:n])
		}
		switch {
		case done && err == nil:
			return before(b[take:n], s), nil
		case err == io.EOF && n > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case n == most:
			return nil, tooLong(most)
		}
	}
}

// before returns a socket that reads data first, and then from s.
func before(data []byte, s *socket.Socket) *socket.Socket {
	if len(data) == 0 {
		return s
	}
	a := &ahead{Endpoint: s, data: data}
	if w, ok := socket.As[socket.ReadWaiter](s); ok {
		return socket.Wrap(waiter{a, w}, s.Kind())
	}
	return socket.Wrap(a, s.Kind())
}

// An ahead is a connection with data that was read too early.
type ahead struct {
	socket.Endpoint
	mu   sync.Mutex
	data []byte
}

// Lower implements [socket.Layer].
func (a *ahead) Lower() socket.Endpoint { return a.Endpoint }

func (a *ahead) Read(b []byte) (int, error) {
	a.mu.Lock()
	n := copy(b, a.data)
	a.data = a.data[n:]
	a.mu.Unlock()
	if n > 0 || len(b) == 0 {
		return n, nil
	}
	return a.Endpoint.Read(b)
}

func (a *ahead) socket() *socket.Socket { return a.Endpoint.(*socket.Socket) }

// Shutdown implements [socket.Shutdowner].
func (a *ahead) Shutdown(how socket.ShutdownHow) error { return a.socket().Shutdown(how) }

func (a *ahead) Close() error { return a.Endpoint.Close() }

// Abort implements [socket.Aborter].
func (a *ahead) Abort() error { return a.socket().Abort() }

// A waiter is an ahead over a connection that can wait without a buffer.
type waiter struct {
	*ahead
	socket.ReadWaiter
}

// WaitRead implements [socket.ReadWaiter].
func (w waiter) WaitRead() error {
	w.mu.Lock()
	is := len(w.data) > 0
	w.mu.Unlock()
	if is {
		return nil
	}
	return w.ReadWaiter.WaitRead()
}
