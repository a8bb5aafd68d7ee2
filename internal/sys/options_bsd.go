//go:build darwin || freebsd

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Trunc is 0: receive does not return the true length on these systems, and
// MSG_TRUNC comes back in the flags alone.
const Trunc = 0

// More is 0: there is no MSG_MORE.
const More = 0

// Ended is the poll event of a peer that has ended its side.
const Ended uint32 = unix.POLLHUP | unix.POLLERR

// Options under the system's numbers; what it lacks is -1, which it refuses.
const (
	TCP_KEEPINTVL    = unix.TCP_KEEPINTVL
	TCP_KEEPCNT      = unix.TCP_KEEPCNT
	TCP_USER_TIMEOUT = -1
)

func getsockoptLinger(fd int) (l unix.Linger, err error) {
	p, err := unix.GetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER)
	if err != nil {
		return l, err
	}
	return *p, nil
}

// PeerCredentials is SO_PEERCRED of Linux.
func PeerCredentials(int) (pid, uid, gid int, errno syscall.Errno) {
	return 0, 0, 0, syscall.EOPNOTSUPP
}

// SetTimestamps asks for SO_TIMESTAMP: each message comes with the time when
// it arrived.
func SetTimestamps(fd int) syscall.Errno {
	return SetInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMP, 1)
}
