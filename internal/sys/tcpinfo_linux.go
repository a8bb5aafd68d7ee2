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
	_, errno := Getsockopt(fd, unix.IPPROTO_TCP, unix.TCP_INFO, tcpInfoBytes(info))
	return errno
}

// DecodeTCPInfo reads what the kernel hands out elsewhere; what b is too short
// for stays zero.
func DecodeTCPInfo(b []byte, info *TCPInfo) { copy(tcpInfoBytes(info), b) }

func tcpInfoBytes(info *TCPInfo) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(info)), unsafe.Sizeof(*info))
}

// zeroCopyReceive is the size of struct tcp_zerocopy_receive up to where it
// tells of errors, which would take them from whoever reads.
const zeroCopyReceive = 16

// WasReset reports whether a TCP connection that reads as ended is over without
// the peer's FIN: the system tells of a reset once, and another call was told.
// It reports false where the system cannot say, and of what is no TCP.
func WasReset(fd int) bool {
	var b [zeroCopyReceive]byte
	_, errno := Getsockopt(fd, unix.IPPROTO_TCP, unix.TCP_ZEROCOPY_RECEIVE, b[:])
	if came, known := finished(errno); came || !known {
		return false
	}
	_, errno = Getsockopt(fd, unix.IPPROTO_TCP, unix.TCP_INFO, b[:1])
	return errno == 0 && b[0] == unix.BPF_TCP_CLOSE
}

// finished reads what TCP_ZEROCOPY_RECEIVE to no address answers where all was
// read: EIO after the peer's FIN, and after that alone. The connection's state
// is the same after a FIN of each side and after a reset.
func finished(errno syscall.Errno) (came, known bool) {
	return errno == syscall.EIO, errno == syscall.EIO || errno == 0
}

// TCPBits are the bit-fields of struct tcp_info, which Go's struct leaves out.
type TCPBits struct {
	SendScale, ReceiveScale, FastOpenFailure uint8
	AppLimited                               bool
}

// TCPInfoBits reads them from bytes 6 and 7: two scales of 4 bits each, then
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
