package streams

import (
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
	"zocalo/socket"
)

// Sockaddr writes a name as the system lays it out, and reports whether it
// can.
func Sockaddr(n socket.Name, a *sys.Sockaddr) bool {
	switch n.Domain() {
	case socket.Inet:
		ap := n.AddrPort()
		ip := ap.Addr().As4()
		a.SetInet4(ap.Port(), ip[:])
	case socket.Inet6:
		ap := n.AddrPort()
		if ap.Addr().Zone() != "" {
			return false
		}
		ip := ap.Addr().As16()
		a.SetInet6(ap.Port(), 0, ip[:])
	case socket.Unix:
		a.SetUnix([]byte(n.Path()))
	case socket.VSock:
		a.SetVSock(n.CIDPort())
	default:
		return false
	}
	return true
}

// Name is the inverse, the zero Name for an address that is none.
func Name(a *sys.Sockaddr) socket.Name {
	switch a.Family() {
	case unix.AF_INET:
		port, ip := a.Inet4()
		return socket.InetName(netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip)), port))
	case unix.AF_INET6:
		port, scope, ip := a.Inet6()
		addr := netip.AddrFrom16([16]byte(ip))
		if scope != 0 {
			addr = addr.WithZone(strconv.FormatUint(uint64(scope), 10))
		}
		return socket.InetName(netip.AddrPortFrom(addr, port))
	case unix.AF_UNIX:
		if path := a.Unix(nil); len(path) > 0 {
			n, _ := socket.UnixName(string(path))
			return n
		}
	case unix.AF_VSOCK:
		return socket.VSockName(a.VSock())
	}
	return socket.Name{}
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
