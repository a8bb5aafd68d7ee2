//go:build unix

package sys

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// GetInt is getsockopt(2) of an option that is an int.
func GetInt(fd, level, name int) (int, syscall.Errno) {
	v, err := unix.GetsockoptInt(fd, level, name)
	return v, errnoOf(err)
}

// SetInt is setsockopt(2) of an option that is an int, which has 32 bits: a
// greater value is EINVAL.
func SetInt(fd, level, name, v int) syscall.Errno {
	if v != int(int32(v)) {
		return syscall.EINVAL
	}
	return errnoOf(unix.SetsockoptInt(fd, level, name, v))
}

// SetLinger is SO_LINGER: seconds that close waits for what is not yet sent,
// 0 for a reset, negative for none of this, the default. More than 32 bits is
// EINVAL.
func SetLinger(fd, seconds int) syscall.Errno {
	if seconds > math.MaxInt32 {
		return syscall.EINVAL
	}
	l := unix.Linger{}
	if seconds >= 0 {
		l.Onoff, l.Linger = 1, int32(seconds)
	}
	return errnoOf(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l))
}

// GetLinger is the inverse of SetLinger.
func GetLinger(fd int) (seconds int, errno syscall.Errno) {
	l, err := getsockoptLinger(fd)
	switch {
	case err != nil:
		return 0, errnoOf(err)
	case l.Onoff == 0:
		return -1, 0
	}
	return int(l.Linger), 0
}
