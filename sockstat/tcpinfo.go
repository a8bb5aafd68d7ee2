package sockstat

import "time"

// TCPInfo is what the kernel knows of one TCP connection: struct tcp_info
// (include/uapi/linux/tcp.h), each field in plain words. An older kernel
// leaves the newer fields 0; the kernel that brought a field is named where it
// is younger than Linux 3.15.
//
// On a listening socket only Unacked and Sacked count: the connections that
// wait to be accepted, and the backlog.
type TCPInfo struct {
	// CongestionState is what the sender is doing about loss.
	CongestionState CongestionState

	// Retransmits is how often the retransmission timer has ended in a row
	// without an acknowledgement; 0 as soon as one comes. Not a total: see
	// TotalRetransmits.
	Retransmits uint8
	// Probes is how many probes (of a zero window or of an idle peer) are
	// without an answer.
	Probes uint8
	// Backoff is how many times the timer has been doubled.
	Backoff uint8
	// Options are the TCP options that both ends agreed on.
	Options TCPOptions
	// SendScale and ReceiveScale are the window scales (RFC 7323): a window
	// on the wire counts 2^scale octets.
	SendScale, ReceiveScale uint8
	// AppLimited: DeliveryRate was measured while the program had nothing
	// to send, so the path may well be faster than it says (Linux 4.9).
	AppLimited bool

	// RTO is how long the sender waits for an acknowledgement before it
	// sends again.
	RTO time.Duration
	// ATO is how long the receiver may wait before it acknowledges, in the
	// hope of sending the acknowledgement along with data.
	ATO time.Duration
	// SendMSS is the most octets of data that go into one segment sent, ReceiveMSS
	// what the peer seems to put into one: estimated from what arrives.
	SendMSS, ReceiveMSS uint32

	// Unacked is how many segments are sent and not acknowledged; on a listener,
	// connections that wait to be accepted.
	Unacked uint32
	// Sacked is how many segments the peer has, although some before
	// them are missing (RFC 2018); on a listener, the backlog.
	Sacked uint32
	// Lost is how many segments are taken for lost at this moment.
	Lost uint32
	// Retransmitting is how many segments are sent again and not yet
	// acknowledged.
	Retransmitting uint32

	// LastSent and LastReceived are how long ago data was last sent and received,
	// LastAck how long ago an acknowledgement came.
	LastSent, LastReceived, LastAck time.Duration

	// PathMTU is the largest IP packet that the path takes, in octets.
	PathMTU uint32
	// ReceiveThreshold is the window, in octets, that the receiver may grow to announce.
	ReceiveThreshold uint32
	// RTT is the smoothed round-trip time: from a segment sent to its
	// acknowledgement, the peer's delay included. RTTVar is how far it strays.
	RTT, RTTVar time.Duration
	// SlowStartThreshold is the congestion window, in segments, above which growth turns from
	// doubling to slow; 2^31-1 while no loss has set it.
	SlowStartThreshold uint32
	// CongestionWindow is how many segments may be under way at once.
	CongestionWindow uint32
	// AdvertisedMSS is the MSS announced to the peer, in octets.
	AdvertisedMSS uint32
	// Reordering is how far out of order, in segments, segments may arrive
	// before one counts as lost.
	Reordering uint32

	// ReceiveRTT is the round-trip time as the receiving side guesses it; 0
	// when it has not received enough to tell.
	ReceiveRTT time.Duration
	// ReceiveSpace is how many octets the program took in within one round
	// trip; the receive buffer grows to fit it.
	ReceiveSpace uint32
	// TotalRetransmits is how many segments were sent again, over the
	// connection's life.
	TotalRetransmits uint32

	// PacingRate is the speed, in octets a second, at which segments leave;
	// MaxPacingRate the most that SO_MAX_PACING_RATE allows (2^64-1: no limit).
	PacingRate, MaxPacingRate uint64
	// BytesAcked is how many octets the peer has acknowledged, BytesReceived
	// how many arrived in order (Linux 4.1).
	BytesAcked, BytesReceived uint64
	// SegmentsOut and SegmentsIn count all segments, those without data
	// too (Linux 4.2).
	SegmentsOut, SegmentsIn uint32
	// NotSent is how many octets the program has written that were never
	// sent yet (Linux 4.6).
	NotSent uint32
	// MinRTT is the shortest round trip of the recent past: the path
	// without its queues (Linux 4.6).
	MinRTT time.Duration
	// DataSegmentsIn and DataSegmentsOut count segments with data (Linux 4.6).
	DataSegmentsIn, DataSegmentsOut uint32
	// DeliveryRate is how fast, in octets a second, data reached the peer
	// when last measured (Linux 4.9). See AppLimited.
	DeliveryRate uint64

	// Busy is for how long there was data to send or to be acknowledged.
	// For ReceiveWindowLimited of it the peer's window was what held it up (a slow
	// reader there), for SendBufferLimited the send buffer (SO_SNDBUF) was; for the rest the
	// network (Linux 4.9).
	Busy, ReceiveWindowLimited, SendBufferLimited time.Duration

	// Delivered is how many segments have reached the peer, DeliveredCE how
	// many of them with the mark of a congested queue (ECN; Linux 4.18).
	Delivered, DeliveredCE uint32
	// BytesSent is how many octets of data were sent, those sent again
	// included; BytesRetransmitted counts these alone (Linux 4.19).
	BytesSent, BytesRetransmitted uint64
	// DuplicateSACKs is how many segments the peer reported to have received twice:
	// they were sent again needlessly (RFC 2883; Linux 4.19).
	DuplicateSACKs uint32
	// ReorderingSeen is how often segments turned out to be late, not lost
	// (Linux 4.19).
	ReorderingSeen uint32
	// OutOfOrder is how many segments arrived here out of order (Linux 5.4).
	OutOfOrder uint32
	// SendWindow is how many octets more the peer will take in, as it last
	// announced (Linux 5.4).
	SendWindow uint32
}

// A CongestionState is what a TCP sender is doing about loss (enum
// tcp_ca_state, include/uapi/linux/tcp.h).
type CongestionState uint8

var congestionStates = [...]string{"open", "disorder", "cwr", "recovery", "loss"}

// String names the state: "open" is the normal one; "disorder" saw something
// out of order and waits for more; "cwr" reduces its window because the network
// says it is congested; "recovery" sends again what is missing; "loss" starts over after its timer ended.
func (s CongestionState) String() string {
	if int(s) < len(congestionStates) {
		return congestionStates[s]
	}
	return "congestion-state?"
}

// TCPOptions is a set of TCP options (TCPI_OPT_*, include/uapi/linux/tcp.h).
type TCPOptions uint8

// The options.
const (
	Timestamps            TCPOptions = 1 << iota // RFC 7323
	SACK                                         // RFC 2018
	WindowScale                                  // RFC 7323
	ECN                                          // RFC 3168, agreed on
	ECNSeen                                      // a packet with ECN has arrived
	SYNData                                      // data in the SYN was accepted (RFC 7413)
	MicrosecondTimestamps                        // timestamps count microseconds (Linux 6.7)
)

var tcpOptionNames = [...]string{"timestamps", "sack", "window-scale", "ecn", "ecn-seen", "syn-data", "usec-timestamps"}

// String lists the options, with commas.
func (o TCPOptions) String() string {
	var b []byte
	for i, name := range tcpOptionNames {
		if o&(1<<i) == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	return string(b)
}
