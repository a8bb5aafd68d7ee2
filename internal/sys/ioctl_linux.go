package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AtMark is the ioctl SIOCATMARK of sockatmark(3).
func AtMark(fd int) (bool, syscall.Errno) {
	n, errno := ioctlInt(fd, unix.SIOCATMARK)
	return n != 0, errno
}

// Pending is the ioctl FIONREAD: the bytes that can be read now.
func Pending(fd int) (int, syscall.Errno) { return ioctlInt(fd, unix.TIOCINQ) }

func ioctlInt(fd int, request uintptr) (int, syscall.Errno) {
	var v int32
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&v)))
	return int(v), errno
}
