//go:build unix

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Chmod is fchmod(2).
func Chmod(fd int, mode uint32) syscall.Errno {
	return errnoOf(unix.Fchmod(fd, mode))
}

// TryLock is flock(2) with LOCK_EX and LOCK_NB: EWOULDBLOCK says that another
// program has the lock. Closing fd unlocks.
func TryLock(fd int) syscall.Errno {
	return restarted(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
}
