//go:build unix

package sys

import "golang.org/x/sys/unix"

// Flags of Send, Recv, Sendmsg and Recvmsg, under the system's numbers.
const (
	DontWait         = unix.MSG_DONTWAIT
	DontRoute        = unix.MSG_DONTROUTE
	EndOfRecord      = unix.MSG_EOR
	ControlTruncated = unix.MSG_CTRUNC
	DataTruncated    = unix.MSG_TRUNC // of a message received
	OutOfBand        = unix.MSG_OOB
	Peek             = unix.MSG_PEEK
)

// Options that every system has.
const (
	SOL_SOCKET   = unix.SOL_SOCKET
	SO_ERROR     = unix.SO_ERROR
	SO_OOBINLINE = unix.SO_OOBINLINE
)

// Options of sockets that more than one system has.
const (
	SO_REUSEADDR = unix.SO_REUSEADDR
	SO_REUSEPORT = unix.SO_REUSEPORT
	SO_KEEPALIVE = unix.SO_KEEPALIVE
	SO_BROADCAST = unix.SO_BROADCAST
	SO_RCVBUF    = unix.SO_RCVBUF
	SO_SNDBUF    = unix.SO_SNDBUF
	SO_TYPE      = unix.SO_TYPE

	SO_ACCEPTCONN = unix.SO_ACCEPTCONN

	IPPROTO_IPV6 = unix.IPPROTO_IPV6
	IPPROTO_TCP  = unix.IPPROTO_TCP
	IPPROTO_UDP  = unix.IPPROTO_UDP
	IPV6_V6ONLY  = unix.IPV6_V6ONLY
	TCP_NODELAY  = unix.TCP_NODELAY
)

// IPPROTO_IP is the level of options of IPv4.
const IPPROTO_IP = unix.IPPROTO_IP
