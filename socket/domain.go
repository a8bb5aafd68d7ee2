package socket

import (
	"fmt"
	"strconv"
	"strings"
)

// A Domain is a communication domain, the first argument of socket(2): which
// names a socket can have, and which peers it can reach.
//
// The domains that the kernel implements carry the kernel's own numbers. A
// domain in user space takes a number of 0x100 or more, which no kernel uses,
// and registers a [Family] under it.
type Domain uint16

// The domains that the kernel implements, under Linux's numbers.
const (
	Unspecified Domain = 0  // AF_UNSPEC: no domain, or a descriptor that is no socket
	Unix        Domain = 1  // AF_UNIX: processes on one machine
	Inet        Domain = 2  // AF_INET: the Internet, version 4
	Inet6       Domain = 10 // AF_INET6: the Internet, version 6
	Packet      Domain = 17 // AF_PACKET: frames of a link (Linux)
	VSock       Domain = 40 // AF_VSOCK: a machine and the virtual machines on it (Linux)
)

// String returns the family's name, as "unix", or for a family that has several
// domains the constant's, as "inet6"; the number of one that is not known.
func (d Domain) String() string {
	if f, ok := familyOf(d); ok {
		if len(f.Domains) > 1 {
			return strings.ToLower(strings.TrimPrefix(d.constant(), "AF_"))
		}
		return f.Name
	}
	switch d {
	case Unspecified:
		return "unspecified"
	case Packet:
		return "packet"
	}
	return strconv.Itoa(int(d))
}

// A Type is how a socket carries data, the second argument of socket(2). The
// numbers are Linux's.
type Type uint8

// The types of socket.
const (
	Stream    Type = 1 // SOCK_STREAM: bytes in order, without boundaries
	Datagram  Type = 2 // SOCK_DGRAM: messages without a connection
	Raw       Type = 3 // SOCK_RAW: the packets of a protocol, headers too
	SeqPacket Type = 5 // SOCK_SEQPACKET: messages in order over a connection
)

var typeNames = map[Type]string{Stream: "stream", Datagram: "datagram", Raw: "raw", SeqPacket: "seqpacket"}

// String returns the type's name, as "stream".
func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Bounded reports whether sockets of the type keep message boundaries.
func (t Type) Bounded() bool { return t != Stream }

// A Protocol is the third argument of socket(2). Zero, the default, lets the
// domain choose the one that the type implies; that is the usual argument.
type Protocol int

// Protocols of the Internet, under IANA's numbers. MPTCP is the kernel's own
// (Linux 5.6).
const (
	ICMP   Protocol = 1
	TCP    Protocol = 6
	UDP    Protocol = 17
	ICMPv6 Protocol = 58
	MPTCP  Protocol = 262
)

var protocolNames = map[Protocol]string{0: "default", ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPv6: "icmpv6", MPTCP: "mptcp"}

// String returns the protocol's name where this package has one, else its
// number.
func (p Protocol) String() string {
	if s, ok := protocolNames[p]; ok {
		return s
	}
	return fmt.Sprint(int(p))
}

// MarshalText returns String.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a protocol's name or number.
func (p *Protocol) UnmarshalText(text []byte) error {
	for known, name := range protocolNames {
		if name == string(text) {
			*p = known
			return nil
		}
	}
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil {
		return fmt.Errorf("protocol %q is neither a number up to 65535 nor one of default, icmp, icmpv6, mptcp, tcp, udp", text)
	}
	*p = Protocol(n)
	return nil
}

// ShutdownHow says which direction [Socket.Shutdown] ends.
type ShutdownHow int

// The directions, under the numbers of shutdown(2).
const (
	ShutdownRead  ShutdownHow = 0 // SHUT_RD: no more will be read
	ShutdownWrite ShutdownHow = 1 // SHUT_WR: no more will be written; the peer reads end-of-file
	ShutdownBoth  ShutdownHow = 2 // SHUT_RDWR
)

// String returns the constant's name, as "SHUT_WR".
func (h ShutdownHow) String() string {
	switch h {
	case ShutdownRead:
		return "SHUT_RD"
	case ShutdownWrite:
		return "SHUT_WR"
	case ShutdownBoth:
		return "SHUT_RDWR"
	}
	return fmt.Sprintf("how %d", int(h))
}
