package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Chmod is fchmod(2).
func Chmod(fd int, mode uint32) syscall.Errno {
	if err := unix.Fchmod(fd, mode); err != nil {
		return errnoOf(err)
	}
	return 0
}

// Lock is flock(2) with LOCK_EX, which waits; closing fd unlocks.
func Lock(fd int) syscall.Errno {
	for {
		switch err := unix.Flock(fd, unix.LOCK_EX); err {
		case nil:
			return 0
		case unix.EINTR:
		default:
			return errnoOf(err)
		}
	}
}
