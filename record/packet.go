package record

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// A way is one direction of a conversation: the headers of its packets, made once, of
// which each packet changes lengths, numbers and sums.
type way struct {
	header  []byte // of IP, and of TCP without options or UDP
	ip      int    // bytes of it that are IP's
	pseudo  uint64 // the sum of TCP's or UDP's pseudo header, without the length
	seq     uint32 // of the next byte of TCP
	acked   uint32 // up to where the other side has acknowledged
	ended   bool   // a FIN has passed
	scratch [maxHeader + maxHead]byte
}

// The sizes of headers without options, and the numbers of protocols above IP (RFC 791,
// RFC 8200, RFC 9293, RFC 768).
const (
	headerIPv4 = 20
	headerIPv6 = 40
	headerTCP  = 20
	headerUDP  = 8
	synOptions = 8
	maxHeader  = headerIPv6 + headerTCP + synOptions

	protocolTCP = 6
	protocolUDP = 17
)

// The flags of TCP.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
	flagURG
)

const (
	// maxSegment is the most data of a TCP packet: IP could carry almost twice that, and a
	// read of 64 KiB is two of the same length so.
	maxSegment = 32 << 10

	// maxDatagram is the longest that UDP over IPv4 carries.
	maxDatagram = 65535 - headerIPv4 - headerUDP

	// window is what each side announces, in units of 1<<windowScale bytes: so much that a
	// reader sees no full window in what a relay has taken.
	window      = 65535
	windowScale = 14

	// ackEvery is how much passes in one direction before a packet without data
	// acknowledges it, where nothing goes the other way.
	ackEvery = 1 << 20

	hopLimit = 64

	// maxHead is the most bytes of a head that is made up for data.
	maxHead = 16
)

// newWay makes the headers of a direction. Both addresses are of one version.
func newWay(protocol byte, from, to netip.AddrPort) *way {
	w := &way{ip: headerIPv6}
	src, dst := from.Addr().AsSlice(), to.Addr().AsSlice()
	if from.Addr().Is4() {
		w.ip = headerIPv4
		h := make([]byte, headerIPv4)
		h[0], h[6], h[8], h[9] = 0x45, 0x40, hopLimit, protocol // version and length; not to be fragmented
		copy(h[12:], src)
		copy(h[16:], dst)
		w.header = h
	} else {
		h := make([]byte, headerIPv6)
		h[0], h[6], h[7] = 0x60, protocol, hopLimit
		copy(h[8:], src)
		copy(h[24:], dst)
		w.header = h
	}
	w.pseudo = add(add(uint64(protocol), src), dst)
	w.header = binary.BigEndian.AppendUint16(w.header, from.Port())
	w.header = binary.BigEndian.AppendUint16(w.header, to.Port())
	if protocol == protocolUDP {
		w.header = append(w.header, 0, 0, 0, 0)
	} else {
		w.header = append(w.header, make([]byte, headerTCP-4)...)
	}
	return w
}

// tcp makes the headers of a segment, with head as the beginning of its data, the rest of which has
// this length and sum. They are good until the next ones.
func (w *way) tcp(flags byte, ack uint32, urgent uint16, head []byte, length int, sum uint64) []byte {
	h := append(w.scratch[:0], w.header...)
	t := h[w.ip:]
	binary.BigEndian.PutUint32(t[4:], w.seq)
	if flags&flagACK != 0 {
		binary.BigEndian.PutUint32(t[8:], ack)
	}
	t[12], t[13] = headerTCP/4<<4, flags
	binary.BigEndian.PutUint16(t[14:], window)
	binary.BigEndian.PutUint16(t[18:], urgent)
	if flags&flagSYN != 0 {
		t[12] = (headerTCP + synOptions) / 4 << 4
		h = append(h, 2, 4, maxSegment>>8, maxSegment&0xff, 3, 3, windowScale, 1) // longest segment, window scale, nothing
		t = h[w.ip:]
	}
	if len(head) > 0 {
		if len(head)%2 == 1 {
			sum = swap(sum)
		}
		h = append(h, head...)
		t = h[w.ip:]
	}
	w.lengths(h, len(h)+length)
	binary.BigEndian.PutUint16(t[16:], fold(add(sum+w.pseudo+uint64(len(t)+length), t)))
	w.seq += uint32(len(head) + length)
	if flags&(flagSYN|flagFIN) != 0 {
		w.seq++
	}
	return h
}

// udp makes the headers of a datagram, whose data has this length and sum.
func (w *way) udp(length int, sum uint64) []byte {
	h := append(w.scratch[:0], w.header...)
	u := h[w.ip:]
	binary.BigEndian.PutUint16(u[4:], uint16(headerUDP+length))
	w.lengths(h, len(h)+length)
	c := fold(add(sum+w.pseudo+uint64(headerUDP+length), u))
	if c == 0 {
		c = 0xffff // 0 is none
	}
	binary.BigEndian.PutUint16(u[6:], c)
	return h
}

// lengths puts the length of a packet into its IP header.
func (w *way) lengths(h []byte, all int) {
	if w.ip == headerIPv6 {
		binary.BigEndian.PutUint16(h[4:], uint16(all-headerIPv6))
		return
	}
	binary.BigEndian.PutUint16(h[2:], uint16(all))
	binary.BigEndian.PutUint16(h[10:], fold(add(0, h[:headerIPv4])))
}

// add adds bytes to the sum of the Internet's checksum (RFC 1071), which is folded in the
// end alone. It takes the bytes in words of 64 bits, since the sum is the same for any
// width, and with the least byte first, as most processors load them: what comes of it has
// its bytes turned round once.
func add(sum uint64, b []byte) uint64 {
	var s, carry uint64
	for len(b) >= 64 {
		w := b[:64:64]
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(w[0:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(w[8:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(w[16:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(w[24:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(w[32:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(w[40:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(w[48:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(w[56:]), carry)
		b = b[64:]
	}
	for len(b) >= 8 {
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b), carry)
		b = b[8:]
	}
	if len(b) > 0 {
		var last [8]byte
		copy(last[:], b)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(last[:]), carry)
	}
	s, carry = bits.Add64(s, 0, carry)
	s += carry
	return sum + swap(s) // 16 bits, for which there is room
}

// swap is the sum of the same bytes where they begin at an odd place, or are taken the
// other way round.
func swap(sum uint64) uint64 { return uint64(bits.ReverseBytes16(^fold(sum))) }

// fold makes the 16 bits of a checksum.
func fold(sum uint64) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
