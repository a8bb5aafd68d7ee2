package sys

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// ErrorQueue is MSG_ERRQUEUE, ZeroCopy MSG_ZEROCOPY, and FilesCloseOnExec
// MSG_CMSG_CLOEXEC.
const (
	FilesCloseOnExec = unix.MSG_CMSG_CLOEXEC
	ErrorQueue       = unix.MSG_ERRQUEUE
	ZeroCopy         = unix.MSG_ZEROCOPY
)

// What tells what an item is.
func What(c Cmsg) Item {
	switch c.Level {
	case unix.SOL_SOCKET:
		switch c.Type {
		case unix.SCM_RIGHTS:
			return FilesItem
		case unix.SCM_CREDENTIALS:
			return CredentialsItem
		case unix.SCM_PIDFD:
			return PIDFDItem
		case unix.SCM_TIMESTAMPNS:
			return TimeItem
		case unix.SCM_TIMESTAMPING:
			return TimesItem
		case unix.SO_RXQ_OVFL:
			return DroppedItem
		}
	case unix.SOL_UDP:
		if c.Type == unix.UDP_GRO {
			return SegmentItem
		}
	case unix.SOL_IP:
		switch c.Type {
		case unix.IP_PKTINFO:
			return PacketInfoItem
		case unix.IP_TTL:
			return HopLimitItem
		case unix.IP_TOS:
			return TrafficClassItem
		case unix.IP_ORIGDSTADDR:
			return DestinationItem
		case unix.IP_RECVERR:
			return ExtendedErrorItem
		}
	case unix.SOL_IPV6:
		switch c.Type {
		case unix.IPV6_PKTINFO:
			return PacketInfo6Item
		case unix.IPV6_HOPLIMIT:
			return HopLimitItem
		case unix.IPV6_TCLASS:
			return TrafficClassItem
		case unix.IPV6_ORIGDSTADDR:
			return DestinationItem
		case unix.IPV6_RECVERR:
			return ExtendedErrorItem
		}
	}
	return OtherItem
}

// CmsgCredentials returns the parts of an SCM_CREDENTIALS item.
func CmsgCredentials(c Cmsg) (pid, uid, gid int, ok bool) {
	if len(c.Data) < unix.SizeofUcred {
		return 0, 0, 0, false
	}
	word := func(i int) int { return int(int32(binary.NativeEndian.Uint32(c.Data[4*i:]))) }
	return word(0), word(1), word(2), true
}

// AppendCredentials appends an SCM_CREDENTIALS item.
func AppendCredentials(control []byte, pid, uid, gid int) []byte {
	start := len(control)
	control = appendCmsgSpace(control, unix.SOL_SOCKET, unix.SCM_CREDENTIALS, unix.SizeofUcred)
	data := control[start+unix.CmsgLen(0):]
	for i, v := range [...]int{pid, uid, gid} {
		binary.NativeEndian.PutUint32(data[4*i:], uint32(v))
	}
	return control
}

// AppendPacketInfo appends IP_PKTINFO: the interface to leave by, and the
// address to come from; 0 and zeros leave either to the system.
func AppendPacketInfo(control []byte, index int, source [4]byte) []byte {
	start := len(control)
	control = appendCmsgSpace(control, unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
	data := control[start+unix.CmsgLen(0):]
	binary.NativeEndian.PutUint32(data, uint32(index))
	copy(data[4:8], source[:])
	return control
}

// AppendPacketInfo6 appends IPV6_PKTINFO.
func AppendPacketInfo6(control []byte, index int, source [16]byte) []byte {
	start := len(control)
	control = appendCmsgSpace(control, unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	data := control[start+unix.CmsgLen(0):]
	copy(data, source[:])
	binary.NativeEndian.PutUint32(data[16:], uint32(index))
	return control
}

// AppendHopLimit and AppendTrafficClass append the items of IPv4, and those of
// IPv6 if six is true. An IPv6 socket takes both, and heeds those of the
// version that the packet has.
func AppendHopLimit(control []byte, n int, six bool) []byte {
	return appendInts(control, unix.IP_TTL, unix.IPV6_HOPLIMIT, n, six)
}

// AppendTrafficClass is described at AppendHopLimit.
func AppendTrafficClass(control []byte, n int, six bool) []byte {
	return appendInts(control, unix.IP_TOS, unix.IPV6_TCLASS, n, six)
}

func appendInts(control []byte, four, sixth, n int, six bool) []byte {
	control = appendInt(control, unix.SOL_IP, four, n)
	if six {
		control = appendInt(control, unix.SOL_IPV6, sixth, n)
	}
	return control
}

func appendInt(control []byte, level, typ, n int) []byte {
	start := len(control)
	control = appendCmsgSpace(control, level, typ, 4)
	binary.NativeEndian.PutUint32(control[start+unix.CmsgLen(0):], uint32(n))
	return control
}
