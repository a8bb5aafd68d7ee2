package option

import (
	"encoding/binary"
	"fmt"
	"time"
)

// MPTCPInfo is what the kernel knows of an MPTCP connection (MPTCP_INFO, struct
// mptcp_info of linux/mptcp.h). Fields that the running kernel does not fill in
// are zero.
type MPTCPInfo struct {
	Subflows           int    // TCP connections besides the first
	AddressesSignalled int    // addresses of ours that the peer was told
	AddressesAccepted  int    // addresses of the peer's that were taken up
	MaxSubflows        int    // bounds of the above, by the path manager
	MaxSignalled       int    //
	MaxAccepted        int    //
	Fallback           bool   // the connection goes on as plain TCP
	RemoteKey          bool   // the peer's key is known
	Token              uint32 // of the connection at this end (RFC 8684 section 3.2)
	WriteSequence      uint64 // next byte to be written
	Unacknowledged     uint64 // first byte that is not acknowledged
	ReceiveNext        uint64 // next byte expected
	LocalAddresses     int    // endpoints in use as addresses to connect from (Linux 5.12)
	LocalAddressesMax  int
	Checksums          bool   // data is checked (RFC 8684 section 3.3; Linux 5.14)
	Retransmits        uint32 // segments sent again at the level of MPTCP (Linux 6.5, as the following)
	Retransmitted      uint64 // bytes sent again
	Sent               uint64 // bytes sent
	Received           uint64
	Acknowledged       uint64
	TotalSubflows      int           // with the first (Linux 6.6)
	LastSent           time.Duration // since data was sent last (Linux 6.10, as the following)
	LastReceived       time.Duration // since data arrived last
	LastAck            time.Duration // since an acknowledgement arrived last
}

// mptcpInfoSize is the size of struct mptcp_info as of Linux 6.10.
const mptcpInfoSize = 96

// ParseMPTCPInfo reads the struct where the kernel hands it out elsewhere than in
// the option [MultipathInfo], as in the answers of sock_diag(7). Fields that it is
// too short for are zero.
func ParseMPTCPInfo(text []byte) MPTCPInfo {
	var b [mptcpInfoSize]byte
	copy(b[:], text)
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	ms := func(at int) time.Duration { return time.Duration(u32(at)) * time.Millisecond }
	flags := u32(8)
	return MPTCPInfo{
		Subflows: int(b[0]), AddressesSignalled: int(b[1]), AddressesAccepted: int(b[2]),
		MaxSubflows: int(b[3]), MaxSignalled: int(b[4]), MaxAccepted: int(b[5]),
		Fallback: flags&1 != 0, RemoteKey: flags&2 != 0, Token: u32(12),
		WriteSequence: u64(16), Unacknowledged: u64(24), ReceiveNext: u64(32),
		LocalAddresses: int(b[40]), LocalAddressesMax: int(b[41]), Checksums: b[42] != 0,
		Retransmits: u32(44), Retransmitted: u64(48), Sent: u64(56), Received: u64(64), Acknowledged: u64(72),
		TotalSubflows: int(b[80]), LastSent: ms(84), LastReceived: ms(88), LastAck: ms(92),
	}
}

// String returns the fields that tell most, in one line.
func (i MPTCPInfo) String() string {
	return fmt.Sprintf("token %08x subflows %d fallback %v", i.Token, i.TotalSubflows, i.Fallback)
}
