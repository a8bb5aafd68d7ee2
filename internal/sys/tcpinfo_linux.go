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

// TCPBits are the bit-fields of struct tcp_info, which Go's struct leaves out.
type TCPBits struct {
	SendScale, ReceiveScale, FastOpenFailure uint8
	AppLimited                               bool
}

// TCPInfoBits reads them from octets 6 and 7: two scales of 4 bits each, then
// tcpi_delivery_rate_app_limited of 1 and tcpi_fastopen_client_fail of 2. The
// platforms' compilers count from the least significant bit on little-endian
// machines, and from the most significant on others.
func TCPInfoBits(info *TCPInfo) TCPBits {
	b := (*[8]byte)(unsafe.Pointer(info))
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return TCPBits{b[6] & 15, b[6] >> 4, b[7] >> 1 & 3, b[7]&1 != 0}
	}
	return TCPBits{b[6] >> 4, b[6] & 15, b[7] >> 5 & 3, b[7]&0x80 != 0}
}
