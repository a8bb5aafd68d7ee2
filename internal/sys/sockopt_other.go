//go:build !linux

package sys

import "syscall"

// Options that this package knows on Linux alone: -1 is none.
const (
	SO_MARK                  = -1
	SO_MAX_PACING_RATE       = -1
	SO_PRIORITY              = -1
	SO_INCOMING_CPU          = -1
	SO_BUSY_POLL             = -1
	SO_PASSCRED              = -1
	SO_PASSPIDFD             = -1
	SO_TIMESTAMPNS           = -1
	SO_TIMESTAMPING          = -1
	SO_RXQ_OVFL              = -1
	SO_ZEROCOPY              = -1
	SO_BINDTODEVICE          = -1
	SO_ATTACH_REUSEPORT_EBPF = -1
	SO_ATTACH_REUSEPORT_CBPF = -1

	IP_MULTICAST_TTL        = -1
	IP_MULTICAST_LOOP       = -1
	IP_MULTICAST_ALL        = -1
	IP_MULTICAST_IF         = -1
	IP_PKTINFO              = -1
	IP_RECVTTL              = -1
	IP_RECVTOS              = -1
	IP_RECVERR              = -1
	IP_MTU_DISCOVER         = -1
	IP_FREEBIND             = -1
	IP_TRANSPARENT          = -1
	IP_RECVORIGDSTADDR      = -1
	IP_BIND_ADDRESS_NO_PORT = -1

	IPV6_MULTICAST_HOPS  = -1
	IPV6_MULTICAST_LOOP  = -1
	IPV6_MULTICAST_ALL   = -1
	IPV6_MULTICAST_IF    = -1
	IPV6_RECVPKTINFO     = -1
	IPV6_RECVHOPLIMIT    = -1
	IPV6_RECVTCLASS      = -1
	IPV6_RECVERR         = -1
	IPV6_MTU_DISCOVER    = -1
	IPV6_FREEBIND        = -1
	IPV6_TRANSPARENT     = -1
	IPV6_RECVORIGDSTADDR = -1

	TCP_FASTOPEN         = -1
	TCP_FASTOPEN_CONNECT = -1
	TCP_DEFER_ACCEPT     = -1
	TCP_CONGESTION       = -1
	TCP_CORK             = -1
	TCP_USER_TIMEOUT     = -1
	TCP_NOTSENT_LOWAT    = -1
	TCP_QUICKACK         = -1
)

// Group is a membership in a multicast group, here of Linux alone.
type Group struct {
	Index         int
	Group, Source Sockaddr
}

// Join is MCAST_JOIN_GROUP of Linux.
func Join(int, int, *Group) syscall.Errno { return syscall.EOPNOTSUPP }

// Leave is MCAST_LEAVE_GROUP of Linux.
func Leave(int, int, *Group) syscall.Errno { return syscall.EOPNOTSUPP }

// SetMulticastInterface is IP_MULTICAST_IF of Linux.
func SetMulticastInterface(int, int) syscall.Errno { return syscall.EOPNOTSUPP }

// OriginalDestination is SO_ORIGINAL_DST of Linux.
func OriginalDestination(int, bool, *Sockaddr) syscall.Errno { return syscall.EOPNOTSUPP }

// AttachReusePort is SO_ATTACH_REUSEPORT_CBPF of Linux.
func AttachReusePort(int, []BPF) syscall.Errno { return syscall.EOPNOTSUPP }

// GetMPTCPInfo is MPTCP_INFO of Linux.
func GetMPTCPInfo(int, []byte) (int, syscall.Errno) { return 0, syscall.EOPNOTSUPP }

// Getsockopt of bytes is used on Linux alone.
func Getsockopt(int, int, int, []byte) (int, syscall.Errno) { return 0, syscall.EOPNOTSUPP }

// Setsockopt of bytes is used on Linux alone.
func Setsockopt(int, int, int, []byte) syscall.Errno { return syscall.EOPNOTSUPP }
