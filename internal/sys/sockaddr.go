package sys

import "encoding/binary"

// A Sockaddr is a socket address as the system lays it out. The zero value
// is none.
type Sockaddr struct {
	Len uint32
	Buf [128]byte // sockaddr_storage
}

// Families, under the system's own numbers.
const maxSockaddr = 128

// Inet4 returns the port and address of an AF_INET address.
func (a *Sockaddr) Inet4() (port uint16, ip []byte) {
	return binary.BigEndian.Uint16(a.Buf[2:]), a.Buf[4:8]
}

// SetInet4 makes a an AF_INET address: sockaddr_in of ip(7).
func (a *Sockaddr) SetInet4(port uint16, ip []byte) {
	clear(a.Buf[:16])
	a.header(afInet, 16)
	binary.BigEndian.PutUint16(a.Buf[2:], port)
	copy(a.Buf[4:8], ip)
}

// Inet6 returns the parts of an AF_INET6 address.
func (a *Sockaddr) Inet6() (port uint16, scope uint32, ip []byte) {
	return binary.BigEndian.Uint16(a.Buf[2:]), binary.NativeEndian.Uint32(a.Buf[24:]), a.Buf[8:24]
}

// SetInet6 makes a an AF_INET6 address: sockaddr_in6 of ipv6(7), with flow
// label 0.
func (a *Sockaddr) SetInet6(port uint16, scope uint32, ip []byte) {
	clear(a.Buf[:28])
	a.header(afInet6, 28)
	binary.BigEndian.PutUint16(a.Buf[2:], port)
	copy(a.Buf[8:24], ip)
	binary.NativeEndian.PutUint32(a.Buf[24:], scope)
}

// SetUnix makes a an AF_UNIX address: sockaddr_un of unix(7). A leading "@"
// stands for the zero byte of Linux's abstract names. An empty path is the
// address with which bind(2) chooses an abstract name (autobind).
func (a *Sockaddr) SetUnix(path []byte) {
	n := copy(a.Buf[2:], path)
	abstract := n > 0 && path[0] == '@' && abstractNames
	if abstract {
		a.Buf[2] = 0
	}
	if n > 0 && !abstract {
		a.Buf[2+n] = 0
		n++
	}
	a.header(afUnix, 2+n)
}

// Unix returns the path of an AF_UNIX address, appended to b, an abstract
// name with "@" in place of its zero byte.
func (a *Sockaddr) Unix(b []byte) []byte {
	if a.Len <= 2 {
		return b
	}
	path := a.Buf[2:min(int(a.Len), len(a.Buf))]
	if path[0] == 0 && abstractNames {
		b = append(b, '@')
		return append(b, path[1:]...)
	}
	for i, c := range path {
		if c == 0 {
			path = path[:i]
			break
		}
	}
	return append(b, path...)
}

// SetVSock makes a an AF_VSOCK address: sockaddr_vm of vsock(7).
func (a *Sockaddr) SetVSock(cid, port uint32) {
	clear(a.Buf[:16])
	a.header(afVSock, 16)
	binary.NativeEndian.PutUint32(a.Buf[4:], port)
	binary.NativeEndian.PutUint32(a.Buf[8:], cid)
}

// VSock returns the parts of an AF_VSOCK address.
func (a *Sockaddr) VSock() (cid, port uint32) {
	return binary.NativeEndian.Uint32(a.Buf[8:]), binary.NativeEndian.Uint32(a.Buf[4:])
}

// SetLink makes a an AF_PACKET address: sockaddr_ll of packet(7). The protocol
// is that of Ethernet, in the machine's own order of bytes; hardware has at
// most 8 bytes.
func (a *Sockaddr) SetLink(protocol uint16, index int, hardware []byte) {
	clear(a.Buf[:20])
	a.header(afPacket, 20)
	binary.BigEndian.PutUint16(a.Buf[2:], protocol)
	binary.NativeEndian.PutUint32(a.Buf[4:], uint32(index))
	a.Buf[11] = byte(copy(a.Buf[12:20], hardware))
}

// Link returns the parts of an AF_PACKET address. The kind is whom the packet
// is for: PACKET_HOST and the following.
func (a *Sockaddr) Link() (protocol uint16, index int, kind byte, hardware []byte) {
	return binary.BigEndian.Uint16(a.Buf[2:]), int(int32(binary.NativeEndian.Uint32(a.Buf[4:]))), a.Buf[10], a.Buf[12 : 12+min(a.Buf[11], 8)]
}
