package socket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// MaxName is the most bytes that a [Name] can hold, those of a unix socket's
// path with room to spare.
const MaxName = 124

// A Name is the address of a socket within its domain: what bind(2) gives to
// it, and what connect(2) reaches. It is a plain value like the C library's
// sockaddr_storage: comparable with ==, usable as a map's key, copied without
// allocation. The zero Name is that of a socket that has none.
//
// Inside is a domain and bytes that only the domain's [Family] understands;
// this package's own domains have the accessors below.
type Name struct {
	domain Domain
	length uint8
	data   [MaxName]byte
}

// MakeName returns the name of that domain which is written in data, in the
// family's own notation. It is for families; data longer than [MaxName] is an
// error.
func MakeName(d Domain, data []byte) (Name, error) {
	n := Name{domain: d, length: uint8(len(data))}
	if len(data) > MaxName {
		return Name{}, fmt.Errorf("a name of %d bytes in domain %v: at most %d fit", len(data), d, MaxName)
	}
	copy(n.data[:], data)
	return n, nil
}

// Domain returns the domain to which the name belongs; [Unspecified] for the
// zero Name.
func (n Name) Domain() Domain { return n.domain }

// IsZero reports whether n is the zero Name.
func (n Name) IsZero() bool { return n == Name{} }

// AppendData appends to b the bytes of the name, in the family's own
// notation.
func (n Name) AppendData(b []byte) []byte { return append(b, n.data[:n.length]...) }

// String returns the name as people write it in an address, as
// "127.0.0.1:5346", "/run/x.sock" or "@abstract"; "" for the zero Name.
func (n Name) String() string {
	if f, ok := familyOf(n.domain); ok && f.FormatName != nil {
		return f.FormatName(n)
	}
	if n.domain == Unspecified {
		return ""
	}
	return fmt.Sprintf("%v#%x", n.domain, n.data[:n.length])
}

// MarshalText returns String: logs and values in JSON have the name as text.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// NetAddr returns the name as package net would: a *net.TCPAddr,
// *net.UDPAddr, *net.IPAddr or *net.UnixAddr where there is one for the
// domain, type and protocol, else a [NameAddr]. The zero Name becomes the
// empty address of the same type. It is never nil.
func (n Name) NetAddr(k Kind) net.Addr {
	if f, ok := familyOf(k.Domain); ok && f.NetAddr != nil {
		if a := f.NetAddr(n, k); a != nil {
			return a
		}
	}
	return NameAddr{n, k}
}

// NameAddr is the net.Addr of a name for which package net has no type.
type NameAddr struct {
	Name Name
	Kind Kind
}

// Network returns the kind's name, as "vsock".
func (a NameAddr) Network() string { return a.Kind.String() }

// String returns the name's text.
func (a NameAddr) String() string { return a.Name.String() }

// The bytes of an internet name: port (2, big-endian), scope (4, big-endian;
// 0 except for link-local IPv6), address (4 or 16).
const (
	inetPort  = 0
	inetScope = 2
	inetAddr  = 6
)

// InetName returns the name of an address and port in domain [Inet] or
// [Inet6]. An IPv4 address mapped into IPv6 stays in Inet6. A zone is an
// interface's index or its name; a name that no interface has becomes scope
// 0. An invalid address gives the zero Name.
func InetName(ap netip.AddrPort) Name {
	a := ap.Addr()
	switch {
	case a.Is4():
		v4 := a.As4()
		return inetName(Inet, ap.Port(), 0, v4[:])
	case a.Is6():
		v6 := a.As16()
		return inetName(Inet6, ap.Port(), scopeOf(a.Zone()), v6[:])
	}
	return Name{}
}

func inetName(d Domain, port uint16, scope uint32, addr []byte) Name {
	var n Name
	n.setInet(d, port, scope, addr)
	return n
}

func (n *Name) setInet(d Domain, port uint16, scope uint32, addr []byte) {
	n.domain, n.length = d, uint8(inetAddr+len(addr))
	binary.BigEndian.PutUint16(n.data[inetPort:], port)
	binary.BigEndian.PutUint32(n.data[inetScope:], scope)
	copy(n.data[inetAddr:], addr)
}

func scopeOf(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(i)
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index)
	}
	return 0
}

// AddrPort returns the address and port of an internet name, and the zero
// AddrPort for a name of another domain. It does not allocate except for the
// zone of a link-local address, which is the interface's name where it still
// has one.
func (n Name) AddrPort() netip.AddrPort {
	switch n.domain {
	case Inet:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n.data[inetAddr:])), n.port())
	case Inet6:
		a := netip.AddrFrom16([16]byte(n.data[inetAddr:]))
		if scope := n.scope(); scope != 0 {
			zone := strconv.FormatUint(uint64(scope), 10)
			if ifi, err := net.InterfaceByIndex(int(scope)); err == nil {
				zone = ifi.Name
			}
			a = a.WithZone(zone)
		}
		return netip.AddrPortFrom(a, n.port())
	}
	return netip.AddrPort{}
}

// Subscriber returns what one subscriber of a network has, and cannot have more of at
// will, of an internet name: the IPv4 address, or the /64 that the IPv6 address is in.
func (n Name) Subscriber() netip.Addr {
	a := n.AddrPort().Addr().Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

func (n *Name) port() uint16 { return binary.BigEndian.Uint16(n.data[inetPort:]) }

func (n *Name) scope() uint32 { return binary.BigEndian.Uint32(n.data[inetScope:]) }

// maxUnixPath is the size of sun_path on Linux (unix(7)). The systems with
// 104 refuse a longer path themselves.
const maxUnixPath = 108

// UnixName returns the name of a unix socket: a path in the file system, or
// "@" and a name in Linux's abstract namespace. An empty path is the unnamed
// socket's. A path must be shorter than 108 bytes, an abstract name at most
// 107, and neither the path may contain a zero byte.
func UnixName(path string) (Name, error) {
	n := Name{domain: Unix, length: uint8(len(path))}
	switch {
	case len(path) > maxUnixPath, len(path) == maxUnixPath && path[0] != '@':
		return Name{}, &EndpointError{fmt.Sprintf("unix path %.20q... has %d bytes, and the system takes at most %d: use a shorter one, or a relative path",
			path, len(path), maxUnixPath-1)}
	case path != "" && path[0] != '@' && bytes.IndexByte([]byte(path), 0) >= 0:
		return Name{}, &EndpointError{fmt.Sprintf("unix path %q contains a zero byte, which no path may", path)}
	}
	copy(n.data[:], path)
	return n, nil
}

// Path returns the path of a unix name, with "@" before the name of an
// abstract one; "" for an unnamed socket and for other domains. It allocates.
func (n Name) Path() string {
	if n.domain != Unix {
		return ""
	}
	return string(n.data[:n.length])
}

// The context identifiers of vsock(7) that have a meaning of their own.
const (
	VSockAny   = 0xffffffff // VMADDR_CID_ANY, and VMADDR_PORT_ANY: the system chooses
	VSockLocal = 1          // VMADDR_CID_LOCAL: this machine, by loopback (Linux 5.6)
	VSockHost  = 2          // VMADDR_CID_HOST: the machine that runs this one
)

// VSockName returns the name of a port on a virtual machine, see vsock(7).
func VSockName(cid, port uint32) Name {
	n := Name{domain: VSock, length: 8}
	binary.BigEndian.PutUint32(n.data[:], cid)
	binary.BigEndian.PutUint32(n.data[4:], port)
	return n
}

// CIDPort returns the context identifier and port of a vsock name, and zeros
// for a name of another domain.
func (n Name) CIDPort() (cid, port uint32) {
	if n.domain != VSock {
		return 0, 0
	}
	return binary.BigEndian.Uint32(n.data[:]), binary.BigEndian.Uint32(n.data[4:])
}

// Compare orders names by domain, then by their bytes: for sorted lists.
func (n Name) Compare(m Name) int {
	if c := int(n.domain) - int(m.domain); c != 0 {
		return c
	}
	return slices.Compare(n.data[:n.length], m.data[:m.length])
}
