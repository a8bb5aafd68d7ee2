package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TCPInfo is struct tcp_info of linux/tcp.h.
type TCPInfo = unix.TCPInfo

// GetTCPInfo is TCP_INFO. What an older kernel does not know stays zero.
func GetTCPInfo(fd int, info *TCPInfo) syscall.Errno {
	b := unsafe.Slice((*byte)(unsafe.Pointer(info)), unsafe.Sizeof(*info))
	_, errno := Getsockopt(fd, unix.IPPROTO_TCP, unix.TCP_INFO, b)
	return errno
}

// AppLimited is the bit tcpi_delivery_rate_app_limited, which follows the two
// window scales that are 4 bits each: octet 7 of the struct.
func AppLimited(info *TCPInfo) bool {
	return (*[8]byte)(unsafe.Pointer(info))[7]&bitField(0) != 0
}

// bitField is the mask of the n-th bit of a C bit-field, counted as the
// platform's compilers do: from the least significant on little-endian
// machines.
func bitField(n int) byte {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return 1 << n
	}
	return 0x80 >> n
}
