package sys

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// OwnSocket sets the owner (-1 leaves it) and then the permissions of this user's
// socket file at path, and of nothing else that somebody may have put there
// meanwhile: ENOTSOCK says so.
func OwnSocket(path string, uid, gid int, mode uint32) syscall.Errno {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return errnoOf(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return errnoOf(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != unix.Geteuid() || st.Nlink != 1 {
		return unix.ENOTSOCK
	}
	if uid >= 0 || gid >= 0 {
		if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return errnoOf(err)
		}
	}
	// fchmod(2) refuses such a descriptor, and fchmodat2(2) came with Linux 6.6.
	return errnoOf(unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode))
}
