package socket

import (
	"fmt"
	"syscall"

	"zocalo/internal/sys"
)

// sockaddr writes a name as the system lays it out, for a socket of k's
// domain.
func (k *kernel) sockaddr(n *Name, a *sys.Sockaddr) error {
	d := k.kind.Domain
	if n.domain == d {
		return n.sockaddr(a)
	}
	mapped := n.in(d)
	if mapped.domain != d && mapped.domain != Unspecified {
		return fmt.Errorf("a name of domain %v on a socket of domain %v: %w", n.domain, d, syscall.EAFNOSUPPORT)
	}
	return mapped.sockaddr(a)
}

// sockaddr writes the name as the system lays it out.
func (n *Name) sockaddr(a *sys.Sockaddr) error {
	switch n.domain {
	case Inet:
		a.SetInet4(n.port(), n.data[inetAddr:inetAddr+4])
	case Inet6:
		a.SetInet6(n.port(), n.scope(), n.data[inetAddr:inetAddr+16])
	case Unix:
		a.SetUnix(n.data[:n.length])
	case VSock:
		cid, port := n.CIDPort()
		a.SetVSock(cid, port)
	case Packet:
		l := n.link()
		a.SetLink(l.protocol, l.index, l.hardware)
	case Unspecified:
		return fmt.Errorf("no name was given: %w", syscall.EDESTADDRREQ)
	default:
		return fmt.Errorf("a name of domain %v, which is not the kernel's: %w", n.domain, syscall.EAFNOSUPPORT)
	}
	return nil
}

// setSockaddr reads a name that the system wrote; the zero Name if there is
// none, or in a domain that this package does not know.
func (n *Name) setSockaddr(a *sys.Sockaddr) {
	*n = Name{}
	switch family := Domain(a.Family()); family {
	case Inet:
		port, ip := a.Inet4()
		n.setInet(Inet, port, 0, ip)
	case Inet6:
		port, scope, ip := a.Inet6()
		n.setInet(Inet6, port, scope, ip)
	case Unix:
		if path := a.Unix(n.data[:0]); len(path) > 0 {
			n.domain, n.length = Unix, uint8(len(path))
		}
	case VSock:
		cid, port := a.VSock()
		*n = VSockName(cid, port)
	case Packet:
		protocol, index, kind, hardware := a.Link()
		n.setLink(protocol, index, PacketType(kind), hardware)
	}
}

// SockaddrName returns the name in a socket address as the system lays it out
// (struct sockaddr), for those who make system calls of their own; the zero
// Name if there is none, or in a domain that this package does not know.
func SockaddrName(sockaddr []byte) Name {
	var a sys.Sockaddr
	a.Len = uint32(copy(a.Buf[:], sockaddr))
	var n Name
	n.setSockaddr(&a)
	return n
}

// AppendSockaddr is the inverse of SockaddrName: it appends the name as the
// system lays it out. A name of a domain that is not the kernel's is an error.
func (n Name) AppendSockaddr(b []byte) ([]byte, error) {
	var a sys.Sockaddr
	err := n.sockaddr(&a)
	return append(b, a.Buf[:a.Len]...), err
}
