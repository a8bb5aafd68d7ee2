//go:build darwin || freebsd || netbsd || openbsd

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// OwnSocket sets the owner (-1 leaves it) and then the permissions of the socket
// file at path, and of nothing that a symbolic link there leads to.
func OwnSocket(path string, uid, gid int, mode uint32) syscall.Errno {
	if uid >= 0 || gid >= 0 {
		if err := unix.Fchownat(unix.AT_FDCWD, path, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return errnoOf(err)
		}
	}
	return errnoOf(unix.Fchmodat(unix.AT_FDCWD, path, mode, unix.AT_SYMLINK_NOFOLLOW))
}
