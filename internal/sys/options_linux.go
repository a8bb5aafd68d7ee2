package sys

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"
)

// Trunc is MSG_TRUNC: receive returns the true length.
const Trunc = unix.MSG_TRUNC

// More is MSG_MORE.
const More = unix.MSG_MORE

// Ended is the poll event of a peer that has ended its side.
const Ended uint32 = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR

func getsockoptLinger(fd int) (l unix.Linger, err error) {
	var b [8]byte
	n, errno := Getsockopt(fd, unix.SOL_SOCKET, unix.SO_LINGER, b[:])
	if errno != 0 || n < len(b) {
		return l, errno
	}
	l.Onoff = int32(binary.NativeEndian.Uint32(b[:]))
	l.Linger = int32(binary.NativeEndian.Uint32(b[4:]))
	return l, nil
}

// SetTimestamps is SO_TIMESTAMPNS: each message comes with the time when it
// arrived.
func SetTimestamps(fd int) syscall.Errno {
	return SetInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
}

// Options that the other systems lack, or call otherwise.
const (
	SO_DOMAIN   = unix.SO_DOMAIN
	SO_PROTOCOL = unix.SO_PROTOCOL

	TCP_KEEPIDLE     = unix.TCP_KEEPIDLE
	TCP_KEEPINTVL    = unix.TCP_KEEPINTVL
	TCP_KEEPCNT      = unix.TCP_KEEPCNT
	TCP_USER_TIMEOUT = unix.TCP_USER_TIMEOUT
)

// PeerCredentials is SO_PEERCRED.
func PeerCredentials(fd int) (pid, uid, gid int, errno syscall.Errno) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, 0, 0, errnoOf(err)
	}
	return int(c.Pid), int(c.Uid), int(c.Gid), 0
}
