package sockstat

import (
	"time"

	"zocalo/socket/option"
)

// congestionStates are what a sender does about loss, by the kernel's numbers
// (enum tcp_ca_state, include/uapi/linux/tcp.h).
var congestionStates = [...]string{"open", "disorder", "cwr", "recovery", "loss"}

var tcpColumns = []*Column{
	{Name: "congestion_state", Header: "CONGESTION-STATE", Needs: TCPInfos, Doc: "what the sender does about loss: open, disorder, cwr, recovery or loss",
		words: congestionStates[:],
		text: func(dst []byte, s *Socket) []byte {
			t := s.connection()
			if t == nil {
				return dst
			}
			return append(dst, congestionStates[min(int(t.Congestion), len(congestionStates)-1)]...)
		}},
	{Name: "options", Header: "OPTIONS", Needs: TCPInfos, Doc: "TCP options that both ends agreed on",
		words: []string{"timestamps", "sack", "window-scale", "ecn", "ecn-seen", "syn-data", "usec-timestamps"},
		text: func(dst []byte, s *Socket) []byte {
			if n, t := len(dst), s.connection(); t != nil {
				for _, o := range [...]struct {
					on   bool
					name string
				}{{t.TimestampOption, "timestamps"}, {t.SACK, "sack"}, {t.WindowScale, "window-scale"}, {t.ECN, "ecn"}, {t.ECNSeen, "ecn-seen"},
					{t.FastOpenData, "syn-data"}, {t.Microseconds, "usec-timestamps"}} {
					if o.on && len(dst) > n {
						dst = append(dst, ',')
					}
					if o.on {
						dst = append(dst, o.name...)
					}
				}
			}
			return dst
		}},
	tcpDuration("rtt", "RTT", "smoothed round-trip time", func(t *option.TCPInfo) time.Duration { return t.RTT }),
	tcpDuration("rttvar", "RTTVAR", "how much the round-trip time varies", func(t *option.TCPInfo) time.Duration { return t.RTTVar }),
	tcpDuration("minrtt", "MINRTT", "shortest round trip of the recent past: the path without its queues", func(t *option.TCPInfo) time.Duration { return t.MinRTT }),
	tcpDuration("rto", "RTO", "wait for an acknowledgement before sending again", func(t *option.TCPInfo) time.Duration { return t.RTO }),
	tcpDuration("ato", "ATO", "how long an acknowledgement may be held back", func(t *option.TCPInfo) time.Duration { return t.ATO }),
	tcpNumber("retransmits", "RETRANSMITS", Count, "segments retransmitted, over the connection's life", func(t *option.TCPInfo) uint64 { return uint64(t.TotalRetransmits) }),
	tcpNumber("retransmits_now", "RETRANSMITS-NOW", Count, "times in a row that the retransmission timer expired; 0 after an acknowledgement", func(t *option.TCPInfo) uint64 { return uint64(t.Retransmits) }),
	tcpNumber("probes", "PROBES", Count, "probes without an answer", func(t *option.TCPInfo) uint64 { return uint64(t.Probes) }),
	tcpNumber("backoff", "BACKOFF", Count, "times that the timer was doubled", func(t *option.TCPInfo) uint64 { return uint64(t.Backoff) }),
	tcpNumber("cwnd", "CWND", Count, "congestion window: segments that may be in flight at once", func(t *option.TCPInfo) uint64 { return uint64(t.CongestionWindow) }),
	{Name: "ssthresh", Header: "SSTHRESH", Unit: Count, Needs: TCPInfos, Doc: "congestion window, in segments, where slow start ends; absent until a loss sets it",
		number: func(s *Socket) (uint64, bool) {
			t := s.connection()
			if t == nil || t.SlowStartLimit >= 1<<31-1 {
				return 0, false
			}
			return uint64(t.SlowStartLimit), true
		}},
	tcpNumber("delivery_rate", "DELIVERY-RATE", BytesPerSecond, "how fast data reached the peer when last measured", func(t *option.TCPInfo) uint64 { return t.DeliveryRate }),
	{Name: "app_limited", Header: "APP-LIMITED", Unit: Flag, Needs: TCPInfos, Doc: "delivery_rate was measured while the program had nothing to send: the path may be faster",
		flag: func(s *Socket) bool { t := s.connection(); return t != nil && t.AppLimited }},
	tcpNumber("pacing_rate", "PACING-RATE", BytesPerSecond, "speed at which segments leave", func(t *option.TCPInfo) uint64 { return t.PacingRate }),
	{Name: "max_pacing_rate", Header: "MAX-PACING-RATE", Unit: BytesPerSecond, Needs: TCPInfos, Doc: "limit of pacing_rate (SO_MAX_PACING_RATE); absent if there is none",
		number: func(s *Socket) (uint64, bool) {
			t := s.connection()
			if t == nil || t.PacingLimit == 1<<64-1 {
				return 0, false
			}
			return t.PacingLimit, true
		}},
	tcpDuration("busy", "BUSY", "time with data to send or to be acknowledged", func(t *option.TCPInfo) time.Duration { return t.Busy }),
	tcpDuration("rwnd_limited", "RWND-LIMITED", "part of busy in which the peer's window held it up: a slow reader at the other end", func(t *option.TCPInfo) time.Duration { return t.WindowLimited }),
	tcpDuration("sndbuf_limited", "SNDBUF-LIMITED", "part of busy in which the send buffer held it up (SO_SNDBUF)", func(t *option.TCPInfo) time.Duration { return t.SendBufferLimited }),
	passed(tcpNumber("bytes_sent", "BYTES-SENT", Bytes, "bytes sent, retransmissions included", func(t *option.TCPInfo) uint64 { return t.BytesSent }),
		func(p *Program) uint64 { return p.Sent }),
	tcpNumber("bytes_retransmitted", "BYTES-RETRANSMITTED", Bytes, "bytes retransmitted", func(t *option.TCPInfo) uint64 { return t.BytesRetransmitted }),
	tcpNumber("bytes_acked", "BYTES-ACKED", Bytes, "bytes the peer has acknowledged", func(t *option.TCPInfo) uint64 { return t.BytesAcknowledged }),
	passed(tcpNumber("bytes_received", "BYTES-RECEIVED", Bytes, "bytes that arrived in order", func(t *option.TCPInfo) uint64 { return t.BytesReceived }),
		func(p *Program) uint64 { return p.Received }),
	tcpNumber("notsent", "NOTSENT", Bytes, "bytes written by the program but not sent yet", func(t *option.TCPInfo) uint64 { return uint64(t.NotSent) }),
	tcpNumber("unacked", "UNACKED", Count, "segments sent but not acknowledged", func(t *option.TCPInfo) uint64 { return uint64(t.Unacknowledged) }),
	tcpNumber("sacked", "SACKED", Count, "segments the peer has although earlier ones are missing", func(t *option.TCPInfo) uint64 { return uint64(t.Sacked) }),
	tcpNumber("lost", "LOST", Count, "segments presumed lost at this moment", func(t *option.TCPInfo) uint64 { return uint64(t.Lost) }),
	tcpNumber("retransmitting", "RETRANSMITTING", Count, "segments retransmitted and not yet acknowledged", func(t *option.TCPInfo) uint64 { return uint64(t.Retransmitted) }),
	tcpNumber("segments_out", "SEGMENTS-OUT", Count, "segments sent", func(t *option.TCPInfo) uint64 { return uint64(t.SegmentsSent) }),
	tcpNumber("segments_in", "SEGMENTS-IN", Count, "segments received", func(t *option.TCPInfo) uint64 { return uint64(t.SegmentsReceived) }),
	tcpNumber("data_segments_out", "DATA-SEGMENTS-OUT", Count, "segments with data sent", func(t *option.TCPInfo) uint64 { return uint64(t.DataSegmentsSent) }),
	tcpNumber("data_segments_in", "DATA-SEGMENTS-IN", Count, "segments with data received", func(t *option.TCPInfo) uint64 { return uint64(t.DataSegmentsReceived) }),
	tcpNumber("delivered", "DELIVERED", Count, "segments that reached the peer", func(t *option.TCPInfo) uint64 { return uint64(t.Delivered) }),
	tcpNumber("delivered_ce", "DELIVERED-CE", Count, "segments that reached the peer with the mark of a congested queue (ECN)", func(t *option.TCPInfo) uint64 { return uint64(t.DeliveredMarked) }),
	tcpNumber("dsack_dups", "DSACK-DUPS", Count, "segments the peer received twice: retransmitted needlessly", func(t *option.TCPInfo) uint64 { return uint64(t.DuplicatesByPeer) }),
	tcpNumber("reordering", "REORDERING", Count, "segments by which one may be late before it counts as lost", func(t *option.TCPInfo) uint64 { return uint64(t.ReorderingMetric) }),
	tcpNumber("reordering_seen", "REORDERING-SEEN", Count, "times that segments turned out to be late, not lost", func(t *option.TCPInfo) uint64 { return uint64(t.ReorderingSeen) }),
	tcpNumber("out_of_order", "OUT-OF-ORDER", Count, "segments that arrived out of order", func(t *option.TCPInfo) uint64 { return uint64(t.OutOfOrderArrived) }),
	tcpNumber("mss", "MSS", Bytes, "maximum bytes of data in a segment sent", func(t *option.TCPInfo) uint64 { return uint64(t.SendMSS) }),
	tcpNumber("rcv_mss", "RCV-MSS", Bytes, "bytes of data that the peer seems to put into a segment", func(t *option.TCPInfo) uint64 { return uint64(t.ReceiveMSS) }),
	tcpNumber("advmss", "ADVMSS", Bytes, "MSS announced to the peer", func(t *option.TCPInfo) uint64 { return uint64(t.AdvertisedMSS) }),
	tcpNumber("pmtu", "PMTU", Bytes, "largest IP packet that the path carries", func(t *option.TCPInfo) uint64 { return uint64(t.PathMTU) }),
	tcpNumber("snd_wnd", "SND-WND", Bytes, "bytes that the peer will still accept, as it last announced", func(t *option.TCPInfo) uint64 { return uint64(t.SendWindow) }),
	tcpNumber("snd_wscale", "SND-WSCALE", Count, "window scale of the peer: its window counts 2^n bytes", func(t *option.TCPInfo) uint64 { return uint64(t.SendScale) }),
	tcpNumber("rcv_wscale", "RCV-WSCALE", Count, "window scale of this end", func(t *option.TCPInfo) uint64 { return uint64(t.ReceiveScale) }),
	tcpNumber("rcv_ssthresh", "RCV-SSTHRESH", Bytes, "largest window that this end may announce", func(t *option.TCPInfo) uint64 { return uint64(t.ReceiveLimit) }),
	tcpDuration("rcv_rtt", "RCV-RTT", "round-trip time as the receiving side estimates it; 0 when it cannot", func(t *option.TCPInfo) time.Duration { return t.ReceiveRT }),
	tcpNumber("rcv_space", "RCV-SPACE", Bytes, "bytes the program took in within one round trip; the receive buffer grows to fit it", func(t *option.TCPInfo) uint64 { return uint64(t.ReceiveSpace) }),
	tcpDuration("last_sent", "LAST-SENT", "time since data was last sent", func(t *option.TCPInfo) time.Duration { return t.LastSent }),
	tcpDuration("last_received", "LAST-RECEIVED", "time since data last arrived", func(t *option.TCPInfo) time.Duration { return t.LastReceived }),
	tcpDuration("last_ack", "LAST-ACK", "time since an acknowledgement last arrived", func(t *option.TCPInfo) time.Duration { return t.LastAck }),
	mptcpNumber("mptcp_subflows", "MPTCP-SUBFLOWS", "MPTCP: TCP connections besides the first", func(m *option.MPTCPInfo) uint64 { return uint64(m.Subflows) }),
	mptcpNumber("mptcp_token", "MPTCP-TOKEN", "MPTCP: the connection's number on this host", func(m *option.MPTCPInfo) uint64 { return uint64(m.Token) }),
	{Name: "mptcp_fallback", Header: "MPTCP-FALLBACK", Unit: Flag, Needs: TCPInfos, Doc: "MPTCP: fell back to plain TCP, since the peer or the path has no MPTCP",
		flag: func(s *Socket) bool { return s.MPTCPInfo != nil && s.MPTCPInfo.Fallback }},
}

// connection is the TCPInfo of a socket that has a peer. A listener has no round
// trips and no windows: its zeros would say something that is not so.
func (s *Socket) connection() *option.TCPInfo {
	if s.State == Listen {
		return nil
	}
	return s.TCPInfo
}

func tcpNumber(name, header string, unit Unit, doc string, value func(*option.TCPInfo) uint64) *Column {
	return &Column{Name: name, Header: header, Doc: doc, Unit: unit, Needs: TCPInfos,
		number: func(s *Socket) (uint64, bool) {
			t := s.connection()
			if t == nil {
				return 0, false
			}
			return value(t), true
		}}
}

func tcpDuration(name, header, doc string, value func(*option.TCPInfo) time.Duration) *Column {
	return tcpNumber(name, header, Duration, doc, func(t *option.TCPInfo) uint64 { return uint64(value(t).Microseconds()) })
}

func mptcpNumber(name, header, doc string, value func(*option.MPTCPInfo) uint64) *Column {
	return &Column{Name: name, Header: header, Doc: doc, Unit: Count, Needs: TCPInfos,
		number: func(s *Socket) (uint64, bool) {
			if s.MPTCPInfo == nil {
				return 0, false
			}
			return value(s.MPTCPInfo), true
		}}
}
