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

// TryLock is flock(2) with LOCK_EX and LOCK_NB: EWOULDBLOCK says that another
// program has the lock. Closing fd unlocks.
func TryLock(fd int) syscall.Errno {
	for {
		switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err {
		case nil:
			return 0
		case unix.EINTR:
		default:
			return errnoOf(err)
		}
	}
}
