package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Readlinkat is readlinkat(2), without an allocation for the name, which is
// without a NUL, as in a directory entry, and shorter than 256 bytes (NAME_MAX). A
// longer one is ENAMETOOLONG.
func Readlinkat(dir int, name, link []byte) (int, syscall.Errno) {
	var path [256]byte
	if len(name) >= len(path) {
		return 0, unix.ENAMETOOLONG
	}
	if len(link) == 0 {
		return 0, unix.EINVAL
	}
	copy(path[:], name)
	for {
		n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(&path)),
			uintptr(unsafe.Pointer(&link[0])), uintptr(len(link)), 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}
