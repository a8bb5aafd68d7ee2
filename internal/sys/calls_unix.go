//go:build unix

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// restarted makes a call again until no signal interrupts it.
func restarted(call func() error) syscall.Errno {
	for {
		if err := call(); err != unix.EINTR {
			return errnoOf(err)
		}
	}
}

// Listen is listen(2).
func Listen(fd, backlog int) syscall.Errno { return errnoOf(unix.Listen(fd, backlog)) }

// Shutdown is shutdown(2).
func Shutdown(fd, how int) syscall.Errno { return errnoOf(unix.Shutdown(fd, how)) }

// Close is close(2), which is not restarted: the descriptor is gone whatever
// it returns.
func Close(fd int) syscall.Errno { return errnoOf(unix.Close(fd)) }

// Read is read(2).
func Read(fd int, b []byte) (n int, errno syscall.Errno) {
	errno = restarted(func() (err error) { n, err = unix.Read(fd, b); return err })
	return max(n, 0), errno
}

// Write is write(2).
func Write(fd int, b []byte) (n int, errno syscall.Errno) {
	errno = restarted(func() (err error) { n, err = unix.Write(fd, b); return err })
	return max(n, 0), errno
}
