package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func errnoOf(err error) syscall.Errno {
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return syscall.EINVAL
}

// Dup duplicates a descriptor, close-on-exec: fcntl(2) with F_DUPFD_CLOEXEC.
func Dup(fd int) (int, syscall.Errno) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, errnoOf(err)
	}
	return n, 0
}

// SetNonblock sets or clears O_NONBLOCK, which belongs to the open file
// description: every duplicate of fd sees it.
func SetNonblock(fd int, on bool) syscall.Errno {
	if err := unix.SetNonblock(fd, on); err != nil {
		return errnoOf(err)
	}
	return 0
}
