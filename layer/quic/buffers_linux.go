package quic

import (
	"golang.org/x/sys/unix"

	"zocalo/socket"
)

func forceReceiveBuffer(udp *socket.Socket, size int) { force(udp, unix.SO_RCVBUFFORCE, size) }
func forceSendBuffer(udp *socket.Socket, size int)    { force(udp, unix.SO_SNDBUFFORCE, size) }

// force sets a size beyond what the system lets everybody have. Where the privilege is
// missing it stays as it is.
func force(udp *socket.Socket, name, size int) {
	if raw, err := udp.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, name, size) })
	}
}
