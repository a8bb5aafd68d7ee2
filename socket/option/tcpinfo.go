package option

import (
	"fmt"
	"time"

	"zocalo/codec"
	"zocalo/internal/units"
)

// TCPInfo is what the kernel knows of a TCP connection (TCP_INFO, see
// tcp(7)): how it does, and what holds it back. Fields that the running
// kernel does not fill in are zero.
type TCPInfo struct {
	State       TCPState
	Congestion  uint8 // state of loss recovery: 0 open, 1 disorder, 2 reduced by ECN, 3 recovery, 4 loss
	Retransmits uint8 // timeouts in a row without progress
	Probes      uint8 // probes in a row of a closed window or an idle peer
	Backoff     uint8 // doublings of the timeout

	RTT       time.Duration // smoothed round-trip time
	RTTVar    time.Duration // its mean deviation
	MinRTT    time.Duration // least seen lately
	ReceiveRT time.Duration // round-trip time as the receiver guesses it
	RTO       time.Duration // time until a retransmission
	ATO       time.Duration // time by which an acknowledgement is delayed

	TimestampOption bool  // both sides use timestamps (RFC 7323)
	SACK            bool  // both sides use selective acknowledgement (RFC 2018)
	WindowScale     bool  // both sides scale their windows (RFC 7323)
	ECN             bool  // both sides use congestion marks (RFC 3168)
	ECNSeen         bool  // a packet with such a mark arrived
	FastOpenData    bool  // data went with the first packet, and was acknowledged (RFC 7413)
	Microseconds    bool  // the timestamps count microseconds (Linux 6.7)
	FastOpenChild   bool  // it was accepted before the handshake was done, with data (Linux 6.9)
	SendScale       uint8 // doublings of the window that the peer offers, 0 to 14 (RFC 7323)
	ReceiveScale    uint8 // the same of ours
	FastOpenFailure uint8 // why no data went with the first packet: 0 unknown, 1 no cookie, 2 data not acknowledged, 3 SYN sent again

	AdvertisedMSS int // bytes of data in a segment that we told the peer we take
	SendMSS       int // bytes of data in a segment sent
	ReceiveMSS    int // the same, as seen of the peer
	PathMTU       int // bytes of a packet on the path

	CongestionWindow  int // segments that may be under way
	SlowStartLimit    int // segments up to which the window grows fast
	Unacknowledged    int // segments under way
	Lost              int // of them, thought lost
	Retransmitted     int // of them, sent again
	Sacked            int // of them, acknowledged selectively; of a listener, the most connections in its queue
	ForwardAcked      int // of them, up to the last acknowledged selectively (Linux before 4.15)
	TotalRetransmits  int // segments sent again since the connection began
	SendWindow        int // bytes that the peer is ready to take (Linux 5.4)
	ReceiveWindow     int // bytes that we offer the peer to take (Linux 6.2)
	ReceiveLimit      int // bytes up to which that window grows fast
	ReceiveSpace      int // bytes of receive buffer that the kernel aims at
	NotSent           int // bytes in the send buffer that are not sent yet
	ReorderingMetric  int // segments that may come late without being thought lost
	ReorderingSeen    int // times that segments came late
	DuplicatesByPeer  int // segments that the peer reports to have got twice
	OutOfOrderArrived int // segments that arrived ahead of others (Linux 5.4)

	BytesSent          uint64 // data bytes sent, again too
	BytesRetransmitted uint64 // of them, sent again
	BytesAcknowledged  uint64
	BytesReceived      uint64

	SegmentsSent         uint32 // segments sent, those without data too (Linux 4.2, as the next)
	SegmentsReceived     uint32
	DataSegmentsSent     uint32 // segments with data (Linux 4.6, as the next)
	DataSegmentsReceived uint32
	Delivered            uint32 // data segments that reached the peer, again too (Linux 4.18, as the next)
	DeliveredMarked      uint32 // of them, those that the peer saw marked for congestion
	ReceivedMarked       uint32 // packets that arrived so marked, with accurate ECN (RFC 9768; Linux 6.18)

	BytesDeliveredECT1 uint32 // data bytes that the peer saw marked ECT(1), with accurate ECN (Linux 6.18, as the following)
	BytesDeliveredECT0 uint32 // the same marked ECT(0)
	BytesDeliveredCE   uint32 // the same marked for congestion
	BytesReceivedECT1  uint32 // data bytes that arrived marked ECT(1)
	BytesReceivedECT0  uint32 // the same marked ECT(0)
	BytesReceivedCE    uint32 // the same marked for congestion

	Rehashes         int           // times that another path was tried, by another hash (Linux 6.2)
	Timeouts         int           // timeouts of retransmission (Linux 6.7, as the following)
	TimeoutRecovered int           // series of them that ended in progress
	TimeoutTime      time.Duration // time spent in them

	PacingRate   uint64 // bytes per second at which the kernel spaces segments
	PacingLimit  uint64 // the bound set for it; the greatest number is none
	DeliveryRate uint64 // bytes per second that lately reached the peer
	AppLimited   bool   // DeliveryRate was held down by a program that sent too little

	Busy              time.Duration // with data under way
	WindowLimited     time.Duration // of Busy: held back by the peer's window
	SendBufferLimited time.Duration // of Busy: held back by a send buffer that was too small

	LastSent     time.Duration // since data was sent last
	LastReceived time.Duration // since data arrived last
	LastAck      time.Duration // since an acknowledgement arrived last
}

// TCPState is the state of a TCP connection (RFC 9293 section 3.3.2), under
// Linux's numbers.
type TCPState uint8

var tcpStates = [...]string{"", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
	"TIME-WAIT", "CLOSED", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "SYN-RECEIVED"}

// String returns the state's name as the RFC writes it.
func (s TCPState) String() string {
	if int(s) < len(tcpStates) && s > 0 {
		return tcpStates[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// ConnectionInfo reads a TCP connection's [TCPInfo], beneath layers too. It
// is only read.
var ConnectionInfo = New(Spec{
	Name: "tcpinfo", Constant: "TCP_INFO", Phase: Connected,
	Doc:      "what the kernel knows of a TCP connection",
	Since:    "Linux 2.4",
	Silently: "leaves fields that it does not know at 0",
}, codec.Codec[TCPInfo]{Format: TCPInfo.String}, nil, tcpInfo)

// String returns the fields that tell most, in one line.
func (i TCPInfo) String() string {
	return fmt.Sprintf("%v rtt %s±%s cwnd %d retransmits %d", i.State, units.Word(i.RTT), units.Word(i.RTTVar), i.CongestionWindow, i.TotalRetransmits)
}
