package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// Peer is who has the other end of a connection. The process is 0 where this pid
// namespace has no number for it.
func Peer(c *net.UnixConn) (uid, pid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var who *unix.Ucred
	controlled := raw.Control(func(fd uintptr) { who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if controlled != nil {
		return 0, 0, controlled
	}
	if err != nil {
		return 0, 0, err
	}
	return int(who.Uid), int(who.Pid), nil
}
