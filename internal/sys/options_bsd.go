//go:build darwin || freebsd || netbsd || openbsd

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

// Options under the system's numbers.
const (
	IP_TOS            = unix.IP_TOS
	IP_TTL            = unix.IP_TTL
	IPV6_TCLASS       = unix.IPV6_TCLASS
	IPV6_UNICAST_HOPS = unix.IPV6_UNICAST_HOPS
	TCP_MAXSEG        = unix.TCP_MAXSEG
)

func getsockoptLinger(fd int) (l unix.Linger, err error) {
	p, err := unix.GetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER)
	if err != nil {
		return l, err
	}
	return *p, nil
}

// SetTimestamps asks for SO_TIMESTAMP: each message comes with the time when
// it arrived.
func SetTimestamps(fd int) syscall.Errno {
	return SetInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMP, 1)
}
