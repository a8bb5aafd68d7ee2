package sys

import "encoding/binary"

// A Cmsg is one item of ancillary data: cmsghdr of cmsg(3), its data still in
// the buffer that it was parsed from.
type Cmsg struct {
	Level, Type int
	Data        []byte
}

// An Item is what an item of ancillary data is.
type Item int

// The items that package socket has a field for.
const (
	OtherItem         Item = iota
	FilesItem              // SCM_RIGHTS
	CredentialsItem        // SCM_CREDENTIALS
	PIDFDItem              // SCM_PIDFD, an int
	TimeItem               // SCM_TIMESTAMPNS
	TimesItem              // SCM_TIMESTAMPING
	SegmentItem            // UDP_GRO, an int
	PacketInfoItem         // IP_PKTINFO
	PacketInfo6Item        // IPV6_PKTINFO
	HopLimitItem           // IP_TTL and IPV6_HOPLIMIT, an int
	TrafficClassItem       // IP_TOS, a byte, and IPV6_TCLASS, an int
	DroppedItem            // SO_RXQ_OVFL, an int
	DestinationItem        // IP_ORIGDSTADDR and IPV6_ORIGDSTADDR, an address
	ExtendedErrorItem      // IP_RECVERR and IPV6_RECVERR
)

// CmsgInt returns the value of an item that is an int or a byte.
func CmsgInt(c Cmsg) (int, bool) {
	switch {
	case len(c.Data) >= 4:
		return int(int32(binary.NativeEndian.Uint32(c.Data))), true
	case len(c.Data) >= 1:
		return int(c.Data[0]), true
	}
	return 0, false
}

// PacketInfo returns the parts of in_pktinfo.
func PacketInfo(c Cmsg) (index int, local, destination []byte, ok bool) {
	if len(c.Data) < 12 {
		return 0, nil, nil, false
	}
	return int(int32(binary.NativeEndian.Uint32(c.Data))), c.Data[4:8], c.Data[8:12], true
}

// PacketInfo6 returns the parts of in6_pktinfo.
func PacketInfo6(c Cmsg) (index int, address []byte, ok bool) {
	if len(c.Data) < 20 {
		return 0, nil, false
	}
	return int(binary.NativeEndian.Uint32(c.Data[16:])), c.Data[:16], true
}

// CmsgTime returns the n-th time of an item, on the systems whose time has 64
// bits. A time that is 0 was not taken, and is not ok.
func CmsgTime(c Cmsg, n int) (sec, nsec int64, ok bool) {
	if len(c.Data) < 16*(n+1) {
		return 0, 0, false
	}
	sec, nsec = int64(binary.NativeEndian.Uint64(c.Data[16*n:])), int64(binary.NativeEndian.Uint64(c.Data[16*n+8:]))
	return sec, nsec, sec != 0 || nsec != 0
}

// CmsgAddress fills in the address that is the item's data.
func CmsgAddress(c Cmsg, a *Sockaddr) { a.Len = uint32(copy(a.Buf[:], c.Data)) }

// An ExtendedError is sock_extended_err of ip(7).
type ExtendedError struct {
	Errno              uint32
	Origin, Type, Code uint8
	Info, Data         uint32
}

// CmsgError returns an extended error, and fills in the address of whoever caused
// it.
func CmsgError(c Cmsg, offender *Sockaddr) (e ExtendedError, ok bool) {
	if len(c.Data) < 16 {
		return e, false
	}
	offender.Len = uint32(copy(offender.Buf[:], c.Data[16:]))
	return ExtendedError{
		binary.NativeEndian.Uint32(c.Data), c.Data[4], c.Data[5], c.Data[6],
		binary.NativeEndian.Uint32(c.Data[8:]), binary.NativeEndian.Uint32(c.Data[12:]),
	}, true
}
