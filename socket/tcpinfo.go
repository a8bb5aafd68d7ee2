package socket

import (
	"fmt"
	"time"
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

	SendMSS    int // octets of data in a segment sent
	ReceiveMSS int // the same, as seen of the peer
	PathMTU    int // octets of a packet on the path

	CongestionWindow  int // segments that may be under way
	SlowStartLimit    int // segments up to which the window grows fast
	Unacknowledged    int // segments under way
	Lost              int // of them, thought lost
	Retransmitted     int // of them, sent again
	TotalRetransmits  int // segments sent again since the connection began
	SendWindow        int // octets that the peer is ready to take (Linux 5.4)
	ReceiveSpace      int // octets of receive buffer that the kernel aims at
	NotSent           int // octets in the send buffer that are not sent yet
	ReorderingMetric  int // segments that may come late without being thought lost
	ReorderingSeen    int // times that segments came late
	DuplicatesByPeer  int // segments that the peer reports to have got twice
	OutOfOrderArrived int // segments that arrived ahead of others (Linux 5.4)

	OctetsSent          uint64 // data octets sent, again too
	OctetsRetransmitted uint64 // of them, sent again
	OctetsAcknowledged  uint64
	OctetsReceived      uint64

	PacingRate   uint64 // octets a second at which the kernel spaces segments
	DeliveryRate uint64 // octets a second that lately reached the peer
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
var ConnectionInfo = NewOption(Spec{
	Name: "tcpinfo", Constant: "TCP_INFO", Phase: Connected,
	Doc: "what the kernel knows of a TCP connection",
}, Codec[TCPInfo]{Format: TCPInfo.String}, nil, tcpInfo)

// String returns the fields that tell most, in one line.
func (i TCPInfo) String() string {
	return fmt.Sprintf("%v rtt %v±%v cwnd %d retransmits %d", i.State, i.RTT, i.RTTVar, i.CongestionWindow, i.TotalRetransmits)
}
