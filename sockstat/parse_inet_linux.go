package sockstat

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/socket"
	"zocalo/socket/option"
)

// A parser reads the bodies of answers into a Socket. It does no input or output. What the Socket
// points to lives in the parser and is used again for the next one.
type parser struct {
	memory  Memory
	tcpInfo option.TCPInfo
	mptcp   option.MPTCPInfo
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

	tcpDiag = 18 // TCPDIAG_GETSOCK, the type of an inet_diag_req for TCP
)

// families are those that the sockets of a kind are asked for by, one after the other. The older
// request, which is of TCP alone, tells of both at once: the kernel then walks over its table of
// connections once instead of twice.
func families(k Kind) []byte {
	if k == TCP {
		return []byte{unix.AF_UNSPEC}
	}
	return []byte{unix.AF_INET, unix.AF_INET6}
}

// inetRequest makes a struct inet_diag_req_v2 with its attributes, or an inet_diag_req for no
// particular family.
func inetRequest(kind Kind, family byte, states uint32, details Details, filter program) []byte {
	extensions := byte(1 << (inetShutdown - 1))
	if details&Memories != 0 {
		extensions |= 1 << (inetMemory - 1)
	}
	if details&TCPInfos != 0 && (kind == TCP || kind == MPTCP) {
		extensions |= 1<<(inetInfo-1) | 1<<(inetCongestion-1)
	}
	var b []byte
	switch family {
	case unix.AF_UNSPEC:
		b = make([]byte, 60)
		b[3] = extensions
		binary.NativeEndian.PutUint32(b[52:], states)
	default:
		b = make([]byte, 56)
		b[0], b[1], b[2] = family, [...]byte{TCP: unix.IPPROTO_TCP, MPTCP: 0, UDP: unix.IPPROTO_UDP, Raw: unix.IPPROTO_RAW}[kind], extensions
		binary.NativeEndian.PutUint32(b[4:], states)
	}
	if kind == MPTCP { // its number does not fit the byte for it
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
	return attributes(b[inetMessage:], func(a attribute) { p.inetAttribute(a, s) })
}

func (p *parser) inetHeader(b []byte, kind Kind, s *Socket) error {
	if len(b) < inetMessage {
		return errCut
	}
	s.Kind = kind
	s.Type = [...]socket.Type{TCP: socket.Stream, MPTCP: socket.Stream, UDP: socket.Datagram, Raw: socket.Raw}[kind]
	s.State = State(b[1])
	if kind == TCP && s.State == Unconnected { // those without a name are in no table
		s.State = Bound
	}
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
			p.tcpInfo = option.ParseTCPInfo(a.value)
			s.TCPInfo, s.infoSize = &p.tcpInfo, len(a.value)
		case s.Kind == MPTCP:
			p.mptcp = option.ParseMPTCPInfo(a.value)
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
		_ = attributes(a.value, func(inner attribute) { // what is cut short is left out
			if inner.kind == inetULPName {
				s.ULP = p.names.get(cString(inner.value))
			}
		})
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

// A reader takes numbers from fixed places of a struct that an older kernel
// may have made shorter: what is beyond its end is 0.
type reader []byte

func (r reader) u32(at int) uint32 {
	if at+4 > len(r) {
		return 0
	}
	return binary.NativeEndian.Uint32(r[at:])
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

// An interner gives equal bytes one string, so that what thousands of
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
