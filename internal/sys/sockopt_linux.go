package sys

import (
	"encoding/binary"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options that only Linux has, or that mean something else elsewhere.
const (
	SO_MARK                  = unix.SO_MARK
	SO_MAX_PACING_RATE       = unix.SO_MAX_PACING_RATE
	SO_PRIORITY              = unix.SO_PRIORITY
	SO_INCOMING_CPU          = unix.SO_INCOMING_CPU
	SO_BUSY_POLL             = unix.SO_BUSY_POLL
	SO_PASSCRED              = unix.SO_PASSCRED
	SO_PASSPIDFD             = unix.SO_PASSPIDFD
	SO_TIMESTAMPNS           = unix.SO_TIMESTAMPNS
	SO_TIMESTAMPING          = unix.SO_TIMESTAMPING
	SO_RXQ_OVFL              = unix.SO_RXQ_OVFL
	SO_ZEROCOPY              = unix.SO_ZEROCOPY
	SO_BINDTODEVICE          = unix.SO_BINDTODEVICE
	SO_ATTACH_REUSEPORT_EBPF = unix.SO_ATTACH_REUSEPORT_EBPF
	SO_ATTACH_REUSEPORT_CBPF = unix.SO_ATTACH_REUSEPORT_CBPF

	IP_TOS                  = unix.IP_TOS
	IP_TTL                  = unix.IP_TTL
	IP_MULTICAST_TTL        = unix.IP_MULTICAST_TTL
	IP_MULTICAST_LOOP       = unix.IP_MULTICAST_LOOP
	IP_MULTICAST_ALL        = unix.IP_MULTICAST_ALL
	IP_MULTICAST_IF         = unix.IP_MULTICAST_IF
	IP_PKTINFO              = unix.IP_PKTINFO
	IP_RECVTTL              = unix.IP_RECVTTL
	IP_RECVTOS              = unix.IP_RECVTOS
	IP_RECVERR              = unix.IP_RECVERR
	IP_MTU_DISCOVER         = unix.IP_MTU_DISCOVER
	IP_FREEBIND             = unix.IP_FREEBIND
	IP_TRANSPARENT          = unix.IP_TRANSPARENT
	IP_RECVORIGDSTADDR      = unix.IP_RECVORIGDSTADDR
	IP_BIND_ADDRESS_NO_PORT = unix.IP_BIND_ADDRESS_NO_PORT

	IPV6_TCLASS          = unix.IPV6_TCLASS
	IPV6_UNICAST_HOPS    = unix.IPV6_UNICAST_HOPS
	IPV6_MULTICAST_HOPS  = unix.IPV6_MULTICAST_HOPS
	IPV6_MULTICAST_LOOP  = unix.IPV6_MULTICAST_LOOP
	IPV6_MULTICAST_ALL   = unix.IPV6_MULTICAST_ALL
	IPV6_MULTICAST_IF    = unix.IPV6_MULTICAST_IF
	IPV6_RECVPKTINFO     = unix.IPV6_RECVPKTINFO
	IPV6_RECVHOPLIMIT    = unix.IPV6_RECVHOPLIMIT
	IPV6_RECVTCLASS      = unix.IPV6_RECVTCLASS
	IPV6_RECVERR         = unix.IPV6_RECVERR
	IPV6_MTU_DISCOVER    = unix.IPV6_MTU_DISCOVER
	IPV6_FREEBIND        = unix.IPV6_FREEBIND
	IPV6_TRANSPARENT     = unix.IPV6_TRANSPARENT
	IPV6_RECVORIGDSTADDR = unix.IPV6_RECVORIGDSTADDR

	TCP_FASTOPEN         = unix.TCP_FASTOPEN
	TCP_FASTOPEN_CONNECT = unix.TCP_FASTOPEN_CONNECT
	TCP_DEFER_ACCEPT     = unix.TCP_DEFER_ACCEPT
	TCP_CONGESTION       = unix.TCP_CONGESTION
	TCP_MAXSEG           = unix.TCP_MAXSEG
	TCP_CORK             = unix.TCP_CORK
	TCP_NOTSENT_LOWAT    = unix.TCP_NOTSENT_LOWAT
	TCP_QUICKACK         = unix.TCP_QUICKACK
)

// Group is a membership in a multicast group: group_req, or with a source
// group_source_req, of ip(7).
type Group struct {
	Index         int
	Group, Source Sockaddr // Source with Len 0 is any
}

// Join is MCAST_JOIN_GROUP and MCAST_JOIN_SOURCE_GROUP; Leave is the inverse.
func Join(fd, level int, g *Group) syscall.Errno {
	return membership(fd, level, unix.MCAST_JOIN_GROUP, unix.MCAST_JOIN_SOURCE_GROUP, g)
}

// Leave is described at Join.
func Leave(fd, level int, g *Group) syscall.Errno {
	return membership(fd, level, unix.MCAST_LEAVE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP, g)
}

func membership(fd, level, any, sourced int, g *Group) syscall.Errno {
	// The index is a 32-bit number, and the addresses are aligned as words.
	const word = int(unsafe.Sizeof(uintptr(0)))
	b := make([]byte, word+2*len(g.Group.Buf))
	binary.NativeEndian.PutUint32(b, uint32(g.Index))
	n := word + copy(b[word:], g.Group.Buf[:])
	name := any
	if g.Source.Len > 0 {
		n += copy(b[n:], g.Source.Buf[:])
		name = sourced
	}
	return Setsockopt(fd, level, name, b[:n])
}

// SetMulticastInterface is IP_MULTICAST_IF with ip_mreqn: by the interface's
// index alone.
func SetMulticastInterface(fd, index int) syscall.Errno {
	b := make([]byte, unix.SizeofIPMreqn)
	binary.NativeEndian.PutUint32(b[8:], uint32(index))
	return Setsockopt(fd, unix.SOL_IP, unix.IP_MULTICAST_IF, b)
}

// OriginalDestination is SO_ORIGINAL_DST, of SOL_IP or SOL_IPV6.
func OriginalDestination(fd int, six bool, a *Sockaddr) syscall.Errno {
	level := unix.SOL_IP
	if six {
		level = unix.SOL_IPV6
	}
	n, errno := Getsockopt(fd, level, unix.SO_ORIGINAL_DST, a.Buf[:28])
	a.Len = uint32(n)
	return errno
}

// AttachReusePort is SO_ATTACH_REUSEPORT_CBPF: instructions of classic BPF.
func AttachReusePort(fd int, program []BPF) syscall.Errno {
	p := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(program)))}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&p)), unsafe.Sizeof(p))
	return Setsockopt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, b)
}

// GetMPTCPInfo is MPTCP_INFO: struct mptcp_info of linux/mptcp.h, as bytes.
func GetMPTCPInfo(fd int, b []byte) (int, syscall.Errno) {
	const mptcpInfo = 1 // MPTCP_INFO
	return Getsockopt(fd, unix.SOL_MPTCP, mptcpInfo, b)
}

// Options of AF_PACKET, see packet(7).
const (
	SOL_PACKET             = unix.SOL_PACKET
	PACKET_FANOUT          = unix.PACKET_FANOUT
	PACKET_IGNORE_OUTGOING = unix.PACKET_IGNORE_OUTGOING
)

// SetPromiscuous is PACKET_ADD_MEMBERSHIP with PACKET_MR_PROMISC, and the
// inverse.
func SetPromiscuous(fd, index int, on bool) syscall.Errno {
	b := make([]byte, unix.SizeofPacketMreq)
	binary.NativeEndian.PutUint32(b, uint32(index))
	binary.NativeEndian.PutUint16(b[4:], unix.PACKET_MR_PROMISC)
	name := unix.PACKET_ADD_MEMBERSHIP
	if !on {
		name = unix.PACKET_DROP_MEMBERSHIP
	}
	return Setsockopt(fd, unix.SOL_PACKET, name, b)
}

// SetTimeouts bounds how long a call on a blocking descriptor waits to send
// or to receive, after which it answers EAGAIN: SO_SNDTIMEO and SO_RCVTIMEO. 0
// is no bound.
func SetTimeouts(fd int, d time.Duration) syscall.Errno {
	t := unix.NsecToTimeval(int64(d))
	errno := errnoOf(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &t))
	if errno == 0 {
		errno = errnoOf(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &t))
	}
	return errno
}
