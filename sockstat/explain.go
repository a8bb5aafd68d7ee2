package sockstat

import (
	"fmt"
	"math"
	"strings"
	"time"

	"zocalo/internal/units"
	"zocalo/socket/option"
)

// A Sentence is one thing that the kernel's figures say of a socket.
type Sentence struct {
	Topic  string   `json:"topic"`  // what it is about: state, speed, limit, loss, queues, pacing, path, idle, listener, ends
	Text   string   `json:"text"`   // for people, safe for a terminal
	Fields []string `json:"fields"` // the columns that it was made from
}

// An Observation is what [Explain] explains.
type Observation struct {
	Socket *Socket // with Details Memories and TCPInfos

	// Before is the same socket as it was Since ago: what happens now can be told from what
	// happened in its life. Without it, it is the life that is told.
	Before *Socket
	Since  time.Duration

	// Other is the other end, where it is on this host, with the same details; else nil.
	Other *Socket
}

// Explain says in sentences what is known of a socket: how fast a connection goes, what
// holds it up, what it lost, what waits where. What the kernel did not tell is not in it.
func Explain(o Observation) []Sentence {
	e := &explainer{Observation: o, s: o.Socket}
	e.state()
	switch t := e.s.connection(); {
	case e.s.Kind == Pair:
		e.pair()
	case e.s.State == Listen && (e.s.Kind == TCP || e.s.Kind == MPTCP || e.s.Kind == Unix || !e.s.Kind.InKernel()):
		e.listener()
	case t != nil && e.s.State != TimeWait && e.s.State != SynRecv:
		e.t = t
		if o.Before != nil && o.Before.connection() != nil && o.Since > 0 {
			e.was = o.Before.connection()
		}
		e.speed()
		e.limit()
		e.loss()
		e.tcpQueues()
		e.pacing()
		e.path()
		e.idle()
		e.ends()
	default:
		e.queues()
	}
	return e.said
}

// An explainer collects sentences.
type explainer struct {
	Observation
	s    *Socket
	t    *option.TCPInfo // of a connection
	was  *option.TCPInfo // what it was before; nil without
	said []Sentence
}

// say adds a sentence. Fields are the names of columns, with spaces between.
func (e *explainer) say(topic, fields, format string, args ...any) {
	e.said = append(e.said, Sentence{topic, fmt.Sprintf(format, args...), strings.Fields(fields)})
}

// told reports whether the kernel's struct tcp_info is so long.
func (e *explainer) told(size int) bool { return e.s.infoSize == 0 || e.s.infoSize >= size }

// What struct tcp_info ends with once it has a field (include/uapi/linux/tcp.h).
const (
	withBytesReceived = 136 // bytes_acked and bytes_received (Linux 4.1)
	withNotSent       = 148 // Linux 4.6, as min_rtt
	withMinRTT        = 152
	withDataSegments  = 160 // Linux 4.6
	withDeliveryRate  = 168 // Linux 4.9
	withBusy          = 192 // Linux 4.10, and what limited it
	withBytesSent     = 216 // Linux 4.19, and bytes_retrans
	withDSACK         = 220
	withSendWindow    = 232 // Linux 5.4
)

// state says what a state means that asks for something to be done or waited for.
func (e *explainer) state() {
	s, in := e.s, units.Time(e.s.Expires)
	if s.Kind != TCP && s.Kind != MPTCP {
		return
	}
	switch s.State {
	case SynSent:
		e.say("state", "state timer_retrans expires", "It waits for the peer's answer to its SYN, which it has resent %s; the next in %s.", times(uint64(s.TimerRetransmits)), in)
	case SynRecv:
		e.say("state", "state timer_retrans", "A SYN came in and was answered %s; the last ACK of the handshake has not come.", times(uint64(s.TimerRetransmits)))
	case CloseWait:
		e.say("state", "state", "The peer has closed its side, but the program here has not: the socket stays until it does.")
	case TimeWait:
		e.say("state", "state expires", "Both sides have closed; the pair of addresses stays reserved for %s more.", in)
	case FinWait1, Closing, LastAck:
		e.say("state", "state", "It is closed here, and the peer has not acknowledged that yet.")
	case FinWait2:
		e.say("state", "state", "It is closed for sending here, and the peer has not closed its side.")
	}
	if s.Orphan() {
		e.say("state", "orphan", "No program holds it anymore: the kernel finishes it.")
	}
}

// pair says what has passed between the two ends that a program has joined.
func (e *explainer) pair() {
	p := e.s.Program
	if e.s.State == SynSent {
		e.say("state", "state", "The other end of the pair has not been reached yet.")
	}
	if p == nil || !p.Counted {
		return
	}
	if e.Before != nil && e.Before.Program != nil && e.Since > 0 {
		sent, received := p.Sent-e.Before.Program.Sent, p.Received-e.Before.Program.Received
		e.say("speed", "bytes_sent bytes_received", "In the last %s, %s (%s) passed from local to peer, and %s (%s) back.", units.Set(e.Since),
			size(sent), e.rate(sent), size(received), e.rate(received))
	}
	e.say("speed", "bytes_sent bytes_received age", "In its life of %s, %s passed from local to peer, and %s back.", units.Time(p.Now.Sub(p.Began)), size(p.Sent), size(p.Received))
}

func (e *explainer) listener() {
	s := e.s
	switch waiting := fmt.Sprintf("%s of at most %s", connections(uint64(s.RecvQ)), units.Count(uint64(s.SendQ))) + waits(uint64(s.RecvQ)); {
	case s.RecvQ == 0:
		e.say("listener", "recvq sendq", "No connection waits to be accepted; the queue holds %s.", units.Count(uint64(s.SendQ)))
	case s.RecvQ > s.SendQ:
		e.say("listener", "recvq sendq", "The queue is full: %s to be accepted, and more are dropped until the program accepts.", waiting)
	default:
		e.say("listener", "recvq sendq", "%s to be accepted: the queue is %d%% full.", waiting, share(uint64(s.RecvQ), uint64(s.SendQ)+1))
	}
	if s.Memory == nil || s.Kind == Unix {
		return
	}
	if e.Before != nil && e.Before.Memory != nil {
		e.say("listener", "drops", "In the last %s, %s dropped, %s in its life.", units.Set(e.Since), attempts(s.Memory.Drops-e.Before.Memory.Drops), units.Count(uint64(s.Memory.Drops)))
		return
	}
	e.say("listener", "drops", "In its life %s dropped.", attempts(s.Memory.Drops))
}

func attempts(n uint32) string {
	switch n {
	case 0:
		return "no attempt to connect was"
	case 1:
		return "1 attempt to connect was"
	}
	return units.Count(uint64(n)) + " attempts to connect were"
}

func (e *explainer) speed() {
	t := e.t
	switch {
	case !e.told(withBytesReceived):
	case e.was != nil:
		e.say("speed", "bytes_acked bytes_received", "In the last %s the peer acknowledged %s (%s) and %s arrived (%s).", units.Set(e.Since),
			size(t.BytesAcknowledged-e.was.BytesAcknowledged), e.rate(t.BytesAcknowledged-e.was.BytesAcknowledged),
			size(t.BytesReceived-e.was.BytesReceived), e.rate(t.BytesReceived-e.was.BytesReceived))
	default:
		e.say("speed", "bytes_acked bytes_received", "In its life the peer acknowledged %s and %s arrived.", size(t.BytesAcknowledged), size(t.BytesReceived))
	}
	switch {
	case !e.told(withDeliveryRate) || t.DeliveryRate == 0:
	case t.AppLimited:
		e.say("speed", "delivery_rate app_limited", "When last measured, data reached the peer at %s, while the program had nothing more to send: the path may be faster.", rateText(t.DeliveryRate))
	default:
		e.say("speed", "delivery_rate", "When last measured, data reached the peer at %s.", rateText(t.DeliveryRate))
	}
}

// rate is the speed of so many bytes in the interval.
func (e *explainer) rate(bytes uint64) string {
	return rateText(uint64(float64(bytes) / e.Since.Seconds()))
}

// limit says what holds sending up: over the time in which data was under way, and now.
func (e *explainer) limit() {
	if e.told(withBusy) {
		e.limitShares()
	}
	t := e.t
	inFlight := t.Unacknowledged * t.SendMSS
	switch {
	case !e.told(withNotSent):
	case e.s.Timer == ProbeTimer:
		e.say("limit", "timer notsent", "Right now the receiver's window is closed: %s wait here until the peer's program reads.", size(uint64(t.NotSent)))
	case t.NotSent > 0 && t.CongestionWindow > 0 && t.Unacknowledged >= t.CongestionWindow:
		e.say("limit", "unacked cwnd notsent", "Right now the congestion window limits it: %s of %s segments are in flight, and %s wait.",
			units.Count(uint64(t.Unacknowledged)), units.Count(uint64(t.CongestionWindow)), size(uint64(t.NotSent)))
	case t.NotSent > 0 && e.told(withSendWindow) && inFlight+t.SendMSS > t.SendWindow:
		e.say("limit", "snd_wnd unacked notsent", "Right now the receiver's window limits it: it has room for %s, %s are in flight, and %s wait.",
			size(uint64(t.SendWindow)), segments(uint64(t.Unacknowledged)), size(uint64(t.NotSent)))
	case t.NotSent > 0 && t.PacingLimit != math.MaxUint64 && t.PacingLimit > 0 && t.PacingRate >= t.PacingLimit:
		e.say("limit", "pacing_rate max_pacing_rate notsent", "Right now the pacing limit holds it up: %s (SO_MAX_PACING_RATE).", rateText(t.PacingLimit))
	case t.NotSent == 0 && t.Unacknowledged > 0 && e.s.Memory != nil && e.s.Memory.SendQueue >= e.s.Memory.SendLimit:
		e.say("limit", "notsent unacked mem_queued mem_send_limit", "Right now the sender's buffer limits it: it is full, and everything in it has been sent.")
	case t.NotSent == 0 && t.Unacknowledged == 0:
		e.say("limit", "notsent unacked", "Right now the application limits it: everything that the program wrote has been sent and acknowledged.")
	case t.NotSent == 0 && t.AppLimited && e.told(withDeliveryRate):
		e.say("limit", "notsent app_limited", "Right now the application limits it: everything that the program wrote has been sent.")
	}
}

// limitShares says for what share of the time what held it up.
func (e *explainer) limitShares() {
	busy, window, buffer := e.t.Busy, e.t.WindowLimited, e.t.SendBufferLimited
	when := "in its life"
	if e.was != nil {
		busy, window, buffer = busy-e.was.Busy, window-e.was.WindowLimited, buffer-e.was.SendBufferLimited
		when = fmt.Sprintf("in the last %s", units.Set(e.Since))
	}
	if busy <= 0 {
		e.say("limit", "busy", "It had no data in flight %s: the application had nothing to send.", when)
		return
	}
	w, b := share(uint64(window), uint64(busy)), share(uint64(buffer), uint64(busy))
	rest := max(100-w-b, 0)
	e.say("limit", "busy rwnd_limited sndbuf_limited", "It had data in flight for %s %s: for %d%% of that the receiver's window held it up, for %d%% the sender's buffer, "+
		"for the other %d%% the congestion window, the path or the application.", units.Time(busy), when, w, b, rest)
	if e.was != nil && busy < e.Since {
		e.say("limit", "busy", "For %d%% of the last %s the application had nothing in flight.", 100-share(uint64(busy), uint64(e.Since)), units.Set(e.Since))
	}
	switch {
	case w > 50:
		e.say("limit", "rwnd_limited", "Most of all the receiver's window limits it: the peer's program reads slowly, or its receive buffer is small for the path.")
	case b > 50:
		e.say("limit", "sndbuf_limited mem_send_limit", "Most of all the sender's buffer limits it%s: it is small for the path (SO_SNDBUF).", e.sendLimit())
	}
}

func (e *explainer) sendLimit() string {
	if e.s.Memory == nil {
		return ""
	}
	return fmt.Sprintf(", of %s", size(uint64(e.s.Memory.SendLimit)))
}

func (e *explainer) loss() {
	t := e.t
	total := t.TotalRetransmits
	switch {
	case e.was != nil:
		e.say("loss", "retransmits", "In the last %s, %s retransmitted, %s in its life.", units.Set(e.Since), segmentsWere(uint64(max(total-e.was.TotalRetransmits, 0))), units.Count(uint64(total)))
	default:
		e.say("loss", "retransmits", "In its life %s retransmitted.", segmentsWere(uint64(total)))
	}
	if total > 0 && e.told(withBytesSent) && t.BytesSent > 0 {
		e.say("loss", "bytes_retransmitted bytes_sent", "Of %s that it sent, %s were retransmitted: %s.", size(t.BytesSent), size(t.BytesRetransmitted),
			units.Percent(float64(t.BytesRetransmitted)/float64(t.BytesSent)))
	}
	if t.DuplicatesByPeer > 0 && e.told(withDSACK) {
		e.say("loss", "dsack_dups", "The peer already had %s: these were late, not lost.", segments(uint64(t.DuplicatesByPeer)))
	}
	if t.Congestion >= 3 || t.Lost > 0 {
		e.say("loss", "congestion_state lost", "Right now it recovers from loss: %s presumed lost.", segmentsAre(uint64(t.Lost)))
	}
	if t.Retransmits > 0 {
		e.say("loss", "retransmits_now expires", "The peer has not answered %s in a row; it is tried again in %s.", times(uint64(t.Retransmits)), units.Time(e.s.Expires))
	}
}

func (e *explainer) tcpQueues() {
	e.queueHere()
	switch {
	case e.s.SendQ == 0:
		e.say("queues", "sendq", "Everything that the program wrote is acknowledged.")
	case e.told(withNotSent):
		e.say("queues", "sendq notsent", "The peer has not acknowledged %s that the program wrote, %s of which are not sent yet.", size(uint64(e.s.SendQ)), size(uint64(e.t.NotSent)))
	default:
		e.say("queues", "sendq", "The peer has not acknowledged %s that the program wrote.", size(uint64(e.s.SendQ)))
	}
	if e.Other != nil && e.Other.connection() != nil {
		e.say("queues", "peer_inode recvq", "At the other end %s wait to be read.", size(uint64(e.Other.RecvQ)))
	}
}

// queueHere says what waits to be read, and how full that makes the buffer.
func (e *explainer) queueHere() {
	m := e.s.Memory
	switch {
	case e.s.RecvQ == 0:
		e.say("queues", "recvq", "Nothing waits here to be read.")
	case m != nil && m.ReceiveLimit > 0:
		e.say("queues", "recvq mem_recv mem_recv_limit", "%s wait here for the program to read; with overhead they fill %d%% of the receive buffer of %s.",
			size(uint64(e.s.RecvQ)), share(uint64(m.Receive), uint64(m.ReceiveLimit)), size(uint64(m.ReceiveLimit)))
	default:
		e.say("queues", "recvq", "%s wait here for the program to read.", size(uint64(e.s.RecvQ)))
	}
}

// queues are those of what is not TCP.
func (e *explainer) queues() {
	s := e.s
	if s.State == TimeWait || s.State == SynRecv || s.Kind == TCP || s.Kind == MPTCP {
		return
	}
	e.queueHere()
	if s.SendQ > 0 {
		e.say("queues", "sendq", "%s that it sent are still in flight within this host.", size(uint64(s.SendQ)))
	}
	if m := s.Memory; m != nil && (s.Kind == UDP || s.Kind == Raw || s.Kind == Packet) {
		if e.Before != nil && e.Before.Memory != nil {
			e.say("loss", "drops", "In the last %s, %s dropped here, %s in its life.", units.Set(e.Since), messagesWere(m.Drops-e.Before.Memory.Drops), units.Count(uint64(m.Drops)))
			return
		}
		e.say("loss", "drops", "In its life %s dropped here, because the receive buffer was full or they were damaged.", messagesWere(m.Drops))
	}
}

func (e *explainer) pacing() {
	t := e.t
	switch limited := t.PacingLimit != math.MaxUint64 && t.PacingLimit > 0; {
	case t.PacingRate == 0 || t.PacingRate == math.MaxUint64:
	case limited:
		e.say("pacing", "pacing_rate max_pacing_rate", "Segments leave at %s; the program has limited them to %s.", rateText(t.PacingRate), rateText(t.PacingLimit))
	default:
		e.say("pacing", "pacing_rate", "Segments leave at up to %s where its congestion control or the queue paces them; no limit is set.", rateText(t.PacingRate))
	}
}

func (e *explainer) path() {
	t := e.t
	if t.SendMSS > 0 && t.PathMTU > 0 {
		e.say("path", "mss pmtu", "A segment carries up to %s bytes; the path carries packets of %s.", units.Count(uint64(t.SendMSS)), units.Count(uint64(t.PathMTU)))
	}
	if t.RTT > 0 && e.told(withMinRTT) && t.MinRTT > 0 && t.MinRTT < 1<<32*time.Microsecond-time.Microsecond {
		e.say("path", "rtt rttvar minrtt", "A round trip takes %s, give or take %s; the shortest lately took %s.", units.Time(t.RTT), units.Time(t.RTTVar), units.Time(t.MinRTT))
	}
	if t.RTT > 0 && t.CongestionWindow > 0 && t.SendMSS > 0 {
		window := uint64(t.CongestionWindow) * uint64(t.SendMSS)
		e.say("path", "cwnd mss rtt", "The congestion window of %s allows %s in a round trip: %s at most.", segments(uint64(t.CongestionWindow)), size(window), rateText(uint64(float64(window)/t.RTT.Seconds())))
	}
}

func (e *explainer) idle() {
	t := e.t
	if !e.told(withDataSegments) {
		return
	}
	sent, received := "It has never sent data", "none has ever arrived"
	fields := "data_segments_out data_segments_in"
	if t.DataSegmentsSent > 0 {
		sent, fields = fmt.Sprintf("It last sent data %s ago", units.Time(t.LastSent)), fields+" last_sent"
	}
	if t.DataSegmentsReceived > 0 {
		received, fields = fmt.Sprintf("the last arrived %s ago", units.Time(t.LastReceived)), fields+" last_received"
	}
	e.say("idle", fields, "%s; %s.", sent, received)
	switch {
	case e.s.Timer == KeepaliveTimer:
		e.say("idle", "timer expires", "If it stays idle, the peer is probed in %s (keepalive).", units.Time(e.s.Expires))
	case e.s.Timer == NoTimer && t.Unacknowledged == 0 && e.s.State == Established:
		e.say("idle", "timer", "No timer runs: without keepalive a peer that is gone would not be noticed while nothing is sent.")
	}
}

// ends says of both ends of a connection inside this host which side is slow.
func (e *explainer) ends() {
	if e.Other == nil || e.Other.connection() == nil {
		return
	}
	e.direction(e.s, e.Other, "this end", "the other end")
	e.direction(e.Other, e.s, "the other end", "this end")
}

// direction compares the sender of one direction with its receiver.
func (e *explainer) direction(from, to *Socket, sender, receiver string) {
	t := from.connection()
	sender, receiver = sender+who(from), receiver+who(to)
	const fields = "peer_inode sendq recvq notsent"
	switch {
	case t.DataSegmentsSent == 0:
	case to.RecvQ > 0 && (t.NotSent > 0 || from.Timer == ProbeTimer):
		e.say("ends", fields, "From %s to %s the reader is the slow side: %s wait at the reader, and %s at the writer.", sender, receiver, size(uint64(to.RecvQ)), size(uint64(t.NotSent)))
	case to.RecvQ > 0:
		e.say("ends", fields, "From %s to %s the reader is behind by %s, which does not hold the writer up yet.", sender, receiver, size(uint64(to.RecvQ)))
	case t.NotSent > 0:
		e.say("ends", fields, "From %s to %s neither program is the slow side: nothing waits at the reader, and %s at the writer; the path between limits it.", sender, receiver, size(uint64(t.NotSent)))
	case from.SendQ == 0:
		e.say("ends", fields, "From %s to %s the writer is the slow side, or has no more to say: nothing waits.", sender, receiver)
	}
}

// who names the processes of an end.
func who(s *Socket) string {
	if len(s.Holders) == 0 {
		return ""
	}
	names, pids := appendHolderNames(nil, s.Holders), appendPIDs(nil, s.Holders)
	return fmt.Sprintf(" (%s %s)", Quote(string(names)), pids)
}

// share is the part of a whole, in per cent.
func share(part, whole uint64) int {
	if whole == 0 {
		return 0
	}
	return int(math.Round(100 * min(float64(part)/float64(whole), 1)))
}

func size(bytes uint64) string { return units.Size(bytes) }

// rateText is a rate in bytes per second for people, who count bits.
func rateText(v uint64) string { return units.Rate(8 * float64(v)) }

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return units.Count(n) + " times"
}

func segments(n uint64) string {
	if n == 1 {
		return "1 segment"
	}
	return units.Count(n) + " segments"
}

func waits(n uint64) string {
	if n == 1 {
		return " waits"
	}
	return " wait"
}

func segmentsAre(n uint64) string {
	if n == 1 {
		return "1 segment is"
	}
	return segments(n) + " are"
}

func messagesWere(n uint32) string {
	switch n {
	case 0:
		return "no messages were"
	case 1:
		return "1 message was"
	}
	return units.Count(uint64(n)) + " messages were"
}

func segmentsWere(n uint64) string {
	switch n {
	case 0:
		return "no segment was"
	case 1:
		return "1 segment was"
	}
	return segments(n) + " were"
}

func connections(n uint64) string {
	if n == 1 {
		return "1 connection"
	}
	return units.Count(n) + " connections"
}
