package streams

import (
	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
	"zocalo/socket"
)

// Sockaddr writes a name as the system lays it out, and reports whether it
// can.
func Sockaddr(n socket.Name, a *sys.Sockaddr) bool {
	b, err := n.AppendSockaddr(a.Buf[:0])
	a.Len = uint32(len(b))
	return err == nil
}

// Name is the inverse, the zero Name for an address that is none.
func Name(a *sys.Sockaddr) socket.Name { return socket.SockaddrName(a.Buf[:a.Len]) }

// Local returns the name of a socket.
func Local(fd int) socket.Name {
	var a sys.Sockaddr
	if sys.Getsockname(fd, &a) != 0 {
		return socket.Name{}
	}
	return Name(&a)
}

// Credentials returns the process at the other end of a unix socket that was
// accepted from a, nil where there is none.
func Credentials(fd int, a *sys.Sockaddr) *socket.Credentials {
	if a.Family() != unix.AF_UNIX {
		return nil
	}
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil
	}
	return &socket.Credentials{PID: int(c.Pid), UID: int(c.Uid), GID: int(c.Gid)}
}
