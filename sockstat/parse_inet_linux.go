package sockstat

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// A parser reads the bodies of answers into a Socket. It does no input or output. What the Socket
// points to lives in the parser and is used again for the next one.
type parser struct {
	memory  Memory
	tcpInfo TCPInfo
	mptcp   MPTCPInfo
	names   interner
}

// Attributes of inet_diag (include/uapi/linux/inet_diag.h). Extensions are asked
// for with the bit attribute-1.
const (
	inetInfo       = 2
	inetCongestion = 4
	inetMemory     = 7
	inetShutdown   = 8
	inetV6Only     = 11
	inetMark       = 15
	inetULP        = 19
	inetCgroup     = 21

	inetULPName = 1 // inside inetULP

	inetMessage = 72 // size of struct inet_diag_msg
)

// inetRequest makes a struct inet_diag_req_v2 with its attributes.
func inetRequest(kind Kind, family byte, states uint32, details Details, filter program) []byte {
	extensions := byte(1 << (inetShutdown - 1))
	if details&Memories != 0 {
		extensions |= 1 << (inetMemory - 1)
	}
	if details&TCPInfos != 0 && (kind == TCP || kind == MPTCP) {
		extensions |= 1<<(inetInfo-1) | 1<<(inetCongestion-1)
	}
	b := make([]byte, 56)
	b[0], b[1], b[2] = family, [...]byte{TCP: unix.IPPROTO_TCP, MPTCP: 0, UDP: unix.IPPROTO_UDP, Raw: unix.IPPROTO_RAW}[kind], extensions
	binary.NativeEndian.PutUint32(b[4:], states)
	if kind == MPTCP { // its number does not fit the octet for it
		b = appendAttribute(b, inetRequestProtocol, binary.NativeEndian.AppendUint32(nil, unix.IPPROTO_MPTCP))
	}
	if len(filter) > 0 {
		b = appendAttribute(b, inetRequestBytecode, filter)
	}
	return b
}

// Attributes of a request to inet_diag.
const (
	inetRequestBytecode = 1
	inetRequestProtocol = 3
)

func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// inet reads a struct inet_diag_msg and its attributes.
func (p *parser) inet(b []byte, kind Kind, s *Socket) error {
	s.reset()
	if err := p.inetHeader(b, kind, s); err != nil {
		return err
	}
	for rest := b[inetMessage:]; len(rest) > 0; {
		a, next, ok := nextAttribute(rest)
		if !ok {
			return errCut
		}
		p.inetAttribute(a, s)
		rest = next
	}
	return nil
}

func (p *parser) inetHeader(b []byte, kind Kind, s *Socket) error {
	if len(b) < inetMessage {
		return errCut
	}
	s.Kind = kind
	s.Type = [...]Type{TCP: Stream, MPTCP: Stream, UDP: Datagram, Raw: RawType}[kind]
	s.State = State(b[1])
	s.Timer, s.TimerRetransmits = Timer(b[2]), b[3]
	sport, dport := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	if kind == Raw { // has no ports; the kernel keeps the protocol in their place
		s.Protocol, sport, dport = sport, 0, 0
	}
	switch b[0] {
	case unix.AF_INET:
		s.Local.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[8:12])), sport)
		s.Peer.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[24:28])), dport)
	case unix.AF_INET6:
		s.Local.Addr = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), sport)
		s.Peer.Addr = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:40])), dport)
	default:
		return errCut
	}
	s.ifindex = binary.NativeEndian.Uint32(b[40:])
	s.Cookie = cookie(b[44:])
	s.Expires = milliseconds(binary.NativeEndian.Uint32(b[52:]))
	s.RecvQ = binary.NativeEndian.Uint32(b[56:])
	s.SendQ = binary.NativeEndian.Uint32(b[60:])
	s.UID, s.HasUID = binary.NativeEndian.Uint32(b[64:]), true
	s.Inode = binary.NativeEndian.Uint32(b[68:])
	return nil
}

func (p *parser) inetAttribute(a attribute, s *Socket) {
	switch a.kind {
	case inetInfo:
		switch {
		case s.Kind == TCP:
			parseTCPInfo(a.value, &p.tcpInfo)
			s.TCPInfo = &p.tcpInfo
		case s.Kind == MPTCP:
			parseMPTCPInfo(a.value, &p.mptcp)
			s.MPTCPInfo = &p.mptcp
		}
	case inetCongestion:
		s.Congestion = p.names.get(cString(a.value))
	case inetMemory:
		parseMemory(a.value, &p.memory)
		s.Memory = &p.memory
	case inetShutdown:
		s.Shutdown = a.u8() & 3
	case inetV6Only:
		s.V6Only = a.u8() != 0
	case inetMark:
		s.Mark = a.u32()
	case inetCgroup:
		s.CgroupID = a.u64()
	case inetULP:
		for rest := a.value; ; {
			inner, next, ok := nextAttribute(rest)
			if !ok {
				break
			}
			if inner.kind == inetULPName {
				s.ULP = p.names.get(cString(inner.value))
			}
			rest = next
		}
	}
}

func cookie(b []byte) uint64 {
	return uint64(binary.NativeEndian.Uint32(b)) | uint64(binary.NativeEndian.Uint32(b[4:]))<<32
}

// cString cuts b at its first NUL.
func cString(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

func milliseconds(v uint32) time.Duration { return time.Duration(v) * time.Millisecond }
func microseconds(v uint32) time.Duration { return time.Duration(v) * time.Microsecond }

// A reader takes numbers from fixed places of a struct that an older kernel
// may have made shorter: what is beyond its end is 0.
type reader []byte

func (r reader) u8(at int) uint8 {
	if at+1 > len(r) {
		return 0
	}
	return r[at]
}

func (r reader) u32(at int) uint32 {
	if at+4 > len(r) {
		return 0
	}
	return binary.NativeEndian.Uint32(r[at:])
}

func (r reader) u64(at int) uint64 {
	if at+8 > len(r) {
		return 0
	}
	return binary.NativeEndian.Uint64(r[at:])
}

func (r reader) usec64(at int) time.Duration {
	return time.Duration(min(r.u64(at), 1<<63/1000-1)) * time.Microsecond
}

// parseMemory reads SK_MEMINFO (include/uapi/linux/sock_diag.h).
func parseMemory(b []byte, m *Memory) {
	r := reader(b)
	*m = Memory{
		Receive: r.u32(0), ReceiveLimit: r.u32(4),
		Send: r.u32(8), SendLimit: r.u32(12),
		Forward: r.u32(16), SendQueue: r.u32(20),
		Options: r.u32(24), Backlog: r.u32(28), Drops: r.u32(32),
	}
}

// parseMPTCPInfo reads struct mptcp_info (include/uapi/linux/mptcp.h).
func parseMPTCPInfo(b []byte, m *MPTCPInfo) {
	r := reader(b)
	flags := r.u32(8)
	*m = MPTCPInfo{
		Subflows: r.u8(0), AddressesSent: r.u8(1), AddressesTaken: r.u8(2),
		Fallback: flags&1 != 0, RemoteKey: flags&2 != 0,
		Token:         r.u32(12),
		WriteSequence: r.u64(16), Unacknowledged: r.u64(24), ReceiveSequence: r.u64(32),
	}
}

// parseTCPInfo reads struct tcp_info (include/uapi/linux/tcp.h).
func parseTCPInfo(b []byte, t *TCPInfo) {
	r := reader(b)
	// The two scales are bit fields of one octet, which a compiler lays out
	// from the end that the machine's byte order starts with.
	low, high := r.u8(6)&15, r.u8(6)>>4
	limited := r.u8(7)&1 != 0
	if bigEndian {
		low, high = high, low
		limited = r.u8(7)&0x80 != 0
	}
	*t = TCPInfo{
		CongestionState: CongestionState(r.u8(1)),
		Retransmits:     r.u8(2), Probes: r.u8(3), Backoff: r.u8(4),
		Options:   TCPOptions(r.u8(5)),
		SendScale: low, ReceiveScale: high, AppLimited: limited,
		RTO: microseconds(r.u32(8)), ATO: microseconds(r.u32(12)),
		SendMSS: r.u32(16), ReceiveMSS: r.u32(20),
		Unacked: r.u32(24), Sacked: r.u32(28), Lost: r.u32(32), Retransmitting: r.u32(36),
		LastSent: milliseconds(r.u32(44)), LastReceived: milliseconds(r.u32(52)), LastAck: milliseconds(r.u32(56)),
		PathMTU: r.u32(60), ReceiveThreshold: r.u32(64),
		RTT: microseconds(r.u32(68)), RTTVar: microseconds(r.u32(72)),
		SlowStartThreshold: r.u32(76), CongestionWindow: r.u32(80),
		AdvertisedMSS: r.u32(84), Reordering: r.u32(88),
		ReceiveRTT: microseconds(r.u32(92)), ReceiveSpace: r.u32(96), TotalRetransmits: r.u32(100),
		PacingRate: r.u64(104), MaxPacingRate: r.u64(112),
		BytesAcked: r.u64(120), BytesReceived: r.u64(128),
		SegmentsOut: r.u32(136), SegmentsIn: r.u32(140),
		NotSent: r.u32(144), MinRTT: microseconds(r.u32(148)),
		DataSegmentsIn: r.u32(152), DataSegmentsOut: r.u32(156),
		DeliveryRate: r.u64(160),
		Busy:         r.usec64(168), ReceiveWindowLimited: r.usec64(176), SendBufferLimited: r.usec64(184),
		Delivered: r.u32(192), DeliveredCE: r.u32(196),
		BytesSent: r.u64(200), BytesRetransmitted: r.u64(208),
		DuplicateSACKs: r.u32(216), ReorderingSeen: r.u32(220),
		OutOfOrder: r.u32(224), SendWindow: r.u32(228),
	}
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// An interner gives equal octets one string, so that what thousands of
// sockets share is allocated once. It forgets all when it has grown large.
type interner map[string]string

func (in *interner) get(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := (*in)[string(b)]; ok {
		return s
	}
	if *in == nil {
		*in = make(interner)
	}
	if len(*in) >= 1024 {
		clear(*in)
	}
	s := string(b)
	(*in)[s] = s
	return s
}
