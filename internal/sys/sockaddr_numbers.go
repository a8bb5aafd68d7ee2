//go:build linux || windows

package sys

import "encoding/binary"

// Linux's numbers, which package socket uses on every system. On Windows no call
// takes such an address yet.
const (
	afInet   = 2
	afInet6  = 10
	afUnix   = 1
	afVSock  = 40
	afPacket = 17

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
