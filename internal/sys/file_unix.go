//go:build unix

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// errnoOf returns the errno that x/sys returned as an error, 0 for nil.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return syscall.EINVAL
}

// Dup duplicates a descriptor, close-on-exec: fcntl(2) with F_DUPFD_CLOEXEC.
func Dup(fd int) (int, syscall.Errno) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return n, errnoOf(err)
}

// SetNonblock sets or clears O_NONBLOCK, which belongs to the open file
// description: every duplicate of fd sees it.
func SetNonblock(fd int, on bool) syscall.Errno {
	return errnoOf(unix.SetNonblock(fd, on))
}

// Nonblock reports whether O_NONBLOCK is set.
func Nonblock(fd int) (bool, syscall.Errno) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return flags&unix.O_NONBLOCK != 0, errnoOf(err)
}

// WriteOnly reports whether fd was opened to be written only.
func WriteOnly(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_WRONLY
}

// CloseOnExec sets FD_CLOEXEC, which belongs to this descriptor alone.
func CloseOnExec(fd int) syscall.Errno {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	return errnoOf(err)
}

// Regular reports whether fd is a regular file, which never makes wait:
// fstat(2).
func Regular(fd int) (bool, syscall.Errno) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return st.Mode&unix.S_IFMT == unix.S_IFREG, errnoOf(err)
}

// PipeOrRegular reports whether fd is a pipe, or a regular file: fstat(2).
func PipeOrRegular(fd int) (pipe, regular bool) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false, false
	}
	return st.Mode&unix.S_IFMT == unix.S_IFIFO, st.Mode&unix.S_IFMT == unix.S_IFREG
}

// SameFile reports whether two descriptors refer to the same inode.
func SameFile(a, b int) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}

// Open is open(2) with O_NONBLOCK and O_CLOEXEC.
func Open(path string, flag int, mode uint32) (int, syscall.Errno) {
	fd := -1
	errno := restarted(func() (err error) {
		fd, err = unix.Open(path, flag|unix.O_NONBLOCK|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, errno
}

// Mkfifo is mkfifo(3).
func Mkfifo(path string, mode uint32) syscall.Errno {
	return errnoOf(unix.Mkfifo(path, mode))
}
