package sys

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const (
	afInet   = unix.AF_INET
	afInet6  = unix.AF_INET6
	afUnix   = unix.AF_UNIX
	afVSock  = unix.AF_VSOCK
	afPacket = unix.AF_PACKET

	abstractNames = true
)

func (a *Sockaddr) header(family, length int) {
	binary.NativeEndian.PutUint16(a.Buf[:], uint16(family))
	a.Len = uint32(length)
}

// Family returns the address's AF_ number, 0 for none.
func (a *Sockaddr) Family() int {
	if a.Len < 2 {
		return 0
	}
	return int(binary.NativeEndian.Uint16(a.Buf[:]))
}
