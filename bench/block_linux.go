package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"zocalo/internal/sys"
	"zocalo/socket"
)

// block takes the flow's descriptor, for calls that wait in the system on a
// thread of their own: the system then wakes the requester itself, and nothing
// of Go's scheduler is measured. give makes it the flow's socket again. It is
// not ok for what is no kernel socket, nor where there are more flows than
// threads should wait.
func (x *requester) block() (give func() error, ok bool) {
	f := x.flow
	if len(x.flows) > runtime.GOMAXPROCS(0) || f.socket.Domain() == socket.Unspecified {
		return nil, false
	}
	c, errno, err := newBlockingConn(f.socket, x.patience())
	if err != nil {
		return nil, false
	}
	x.conn = c
	return func() error {
		fd := c.fd
		if errno == 0 {
			errno = sys.SetNonblock(fd, true)
		}
		s, err := socket.FromFD(fd)
		if err != nil {
			sys.Close(fd)
			return err
		}
		f.socket = s
		if errno != 0 {
			return os.NewSyscallError("setsockopt", errno)
		}
		return nil
	}, true
}

// A blockingConn is a descriptor whose calls wait in the system.
type blockingConn struct {
	fd     int
	stream bool
}

// newBlockingConn takes a socket's descriptor. The errno says why calls would not
// wait, or for longer than patience.
func newBlockingConn(s *socket.Socket, patience time.Duration) (*blockingConn, syscall.Errno, error) {
	stream := !s.Type().Bounded()
	fd, err := s.Detach()
	if err != nil {
		return nil, 0, err
	}
	errno := sys.SetTimeouts(fd, patience)
	if errno == 0 {
		errno = sys.SetNonblock(fd, false)
	}
	return &blockingConn{fd, stream}, errno, nil
}

func (c *blockingConn) renew(time.Duration) {} // the timeouts are of each call

func (c *blockingConn) Read(b []byte) (int, error) {
	n, errno := sys.Recv(c.fd, b, 0)
	if errno != 0 {
		return 0, callError("recv", errno)
	}
	if n == 0 && c.stream {
		return 0, io.EOF
	}
	return n, nil
}

func (c *blockingConn) Write(b []byte) (n int, err error) {
	for {
		sent, errno := sys.Send(c.fd, b[n:], 0)
		if errno != 0 {
			return n, callError("send", errno)
		}
		if n += sent; n == len(b) {
			return n, nil
		}
	}
}

// callError is the error of a call; one that took too long is
// os.ErrDeadlineExceeded.
func callError(call string, errno syscall.Errno) error {
	if errno == syscall.EAGAIN {
		return fmt.Errorf("%s: %w", call, os.ErrDeadlineExceeded)
	}
	return os.NewSyscallError(call, errno)
}
