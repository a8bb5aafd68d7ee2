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
	if _, ok := socket.As[socket.Descriptor](f.socket); !ok {
		return nil, false
	}
	fd, err := f.socket.Detach()
	if err != nil {
		return nil, false
	}
	errno := sys.SetTimeouts(fd, x.patience())
	if errno == 0 {
		errno = sys.SetNonblock(fd, false)
	}
	x.conn = &blockingConn{fd: fd, stream: !f.kind.Bounded}
	return func() error {
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
