package option

import (
	"syscall"
	"time"

	"zocalo/internal/sys"
	"zocalo/socket"
)

func tcpInfo(e socket.Endpoint) (TCPInfo, error) {
	var raw sys.TCPInfo
	err := onFD(e, "TCP_INFO", func(fd int) (errno syscall.Errno) {
		errno = sys.GetTCPInfo(fd, &raw)
		return errno
	})
	if err != nil {
		return TCPInfo{}, err
	}
	return tcpInfoOf(&raw), nil
}

// ParseTCPInfo reads struct tcp_info where the kernel hands it out elsewhere than
// in the option [ConnectionInfo], as in the answers of sock_diag(7). Fields that b
// is too short for are zero.
func ParseTCPInfo(b []byte) TCPInfo {
	var raw sys.TCPInfo
	sys.DecodeTCPInfo(b, &raw)
	return tcpInfoOf(&raw)
}

func tcpInfoOf(raw *sys.TCPInfo) TCPInfo {
	bits := sys.TCPInfoBits(raw)
	us := func(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
	ms := func(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }
	return TCPInfo{
		State: TCPState(raw.State), Congestion: raw.Ca_state, Retransmits: raw.Retransmits, Probes: raw.Probes, Backoff: raw.Backoff,
		RTT: us(raw.Rtt), RTTVar: us(raw.Rttvar), MinRTT: us(raw.Min_rtt), ReceiveRT: us(raw.Rcv_rtt), RTO: us(raw.Rto), ATO: us(raw.Ato),
		TimestampOption: raw.Options&1 != 0, SACK: raw.Options&2 != 0, WindowScale: raw.Options&4 != 0, ECN: raw.Options&8 != 0, ECNSeen: raw.Options&16 != 0, FastOpenData: raw.Options&32 != 0,
		Microseconds: raw.Options&64 != 0, FastOpenChild: raw.Options&128 != 0,
		SendScale: bits.SendScale, ReceiveScale: bits.ReceiveScale, FastOpenFailure: bits.FastOpenFailure,
		AdvertisedMSS: int(raw.Advmss), Sacked: int(raw.Sacked), ForwardAcked: int(raw.Fackets), ReceiveWindow: int(raw.Rcv_wnd), ReceiveLimit: int(raw.Rcv_ssthresh),
		SegmentsSent: raw.Segs_out, SegmentsReceived: raw.Segs_in, DataSegmentsSent: raw.Data_segs_out, DataSegmentsReceived: raw.Data_segs_in,
		Delivered: raw.Delivered, DeliveredMarked: raw.Delivered_ce, ReceivedMarked: raw.Received_ce,
		BytesDeliveredECT1: raw.Delivered_e1_bytes, BytesDeliveredECT0: raw.Delivered_e0_bytes, BytesDeliveredCE: raw.Delivered_ce_bytes,
		BytesReceivedECT1: raw.Received_e1_bytes, BytesReceivedECT0: raw.Received_e0_bytes, BytesReceivedCE: raw.Received_ce_bytes,
		Rehashes: int(raw.Rehash), Timeouts: int(raw.Total_rto), TimeoutRecovered: int(raw.Total_rto_recoveries), TimeoutTime: ms(raw.Total_rto_time),
		PacingLimit: raw.Max_pacing_rate,
		SendMSS:     int(raw.Snd_mss), ReceiveMSS: int(raw.Rcv_mss), PathMTU: int(raw.Pmtu),
		CongestionWindow: int(raw.Snd_cwnd), SlowStartLimit: int(raw.Snd_ssthresh), Unacknowledged: int(raw.Unacked),
		Lost: int(raw.Lost), Retransmitted: int(raw.Retrans), TotalRetransmits: int(raw.Total_retrans),
		SendWindow: int(raw.Snd_wnd), ReceiveSpace: int(raw.Rcv_space), NotSent: int(raw.Notsent_bytes),
		ReorderingMetric: int(raw.Reordering), ReorderingSeen: int(raw.Reord_seen), DuplicatesByPeer: int(raw.Dsack_dups), OutOfOrderArrived: int(raw.Rcv_ooopack),
		BytesSent: raw.Bytes_sent, BytesRetransmitted: raw.Bytes_retrans, BytesAcknowledged: raw.Bytes_acked, BytesReceived: raw.Bytes_received,
		PacingRate: raw.Pacing_rate, DeliveryRate: raw.Delivery_rate, AppLimited: bits.AppLimited,
		Busy:          time.Duration(raw.Busy_time) * time.Microsecond,
		WindowLimited: time.Duration(raw.Rwnd_limited) * time.Microsecond, SendBufferLimited: time.Duration(raw.Sndbuf_limited) * time.Microsecond,
		LastSent: ms(raw.Last_data_sent), LastReceived: ms(raw.Last_data_recv), LastAck: ms(raw.Last_ack_recv),
	}
}
