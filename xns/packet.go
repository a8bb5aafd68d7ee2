package xns

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The sizes of an IDP packet, in bytes.
const (
	HeaderSize    = 30
	DefaultPacket = 576  // the most that every part of a network carries (XSIS 028112)
	MaxPacket     = 1500 // the most that this package sends or takes in
)

// Types of IDP packet (XSIS 028112).
const (
	TypeRIP   = 1
	TypeEcho  = 2
	TypeError = 3
	TypePEX   = 4
	TypeSPP   = 5
)

// Sockets whose meaning is the same on every host.
const (
	SocketRIP     = 1
	SocketEcho    = 2
	SocketError   = 3
	SocketCourier = 5
	SocketTime    = 8
	SocketBfS     = 20 // broadcast for servers: the Clearinghouse's

	reservedSockets = 3000 // those below are the well-known ones
)

const (
	maxHops    = 15
	noChecksum = 0xffff
)

// A Header is that of an IDP packet (XSIS 028112).
type Header struct {
	Unchecked bool // the packet has no checksum
	Length    int  // bytes of header and data
	Hops      uint8
	Type      uint8
	To, From  Addr
}

// A PacketError says why bytes are not an IDP packet.
type PacketError struct{ Problem string }

// Error returns it in one line.
func (e *PacketError) Error() string { return "not an IDP packet: " + e.Problem }

// ErrChecksum says that an IDP packet was changed on its way. ParsePacket
// returns the header and data all the same.
var ErrChecksum = errors.New("an IDP packet's checksum is wrong: it was changed in transit")

// AppendPacket appends to b an IDP packet with that data, and the byte of
// padding if its length is odd. It ignores h.Length. A packet of more than
// [MaxPacket] bytes is an error.
func AppendPacket(b []byte, h Header, data []byte) ([]byte, error) {
	if len(data) > MaxPacket-HeaderSize {
		return b, fmt.Errorf("%d bytes of data do not fit in an IDP packet, which holds %d", len(data), MaxPacket-HeaderSize)
	}
	start := len(b)
	b = append(b, make([]byte, HeaderSize)...)
	b = append(b, data...)
	h.Length = HeaderSize + len(data)
	h.put(b[start:])
	if len(data)%2 != 0 {
		b = append(b, 0)
	}
	if !h.Unchecked {
		seal(b[start:])
	}
	return b, nil
}

// put writes the header, without a checksum yet.
func (h *Header) put(b []byte) {
	binary.BigEndian.PutUint16(b, noChecksum)
	binary.BigEndian.PutUint16(b[2:], uint16(h.Length))
	b[4], b[5] = h.Hops, h.Type
	h.To.put(b[6:])
	h.From.put(b[18:])
}

// seal writes the checksum of a padded packet.
func seal(p []byte) { binary.BigEndian.PutUint16(p, checksum(p)) }

// checksum is that of a padded packet: a sum with end-around carry of words of
// 16 bits, rotated left after each so that their order counts. That is
// arithmetic modulo 65535, where to rotate is to double, and 16 times are once:
// so the words are added up by their place in blocks of 16, and each sum is
// doubled at the end as often as its place needs it.
func checksum(p []byte) uint16 {
	const block = 32
	var sums blockSums
	p = p[min(2, len(p)):]
	for len(p) >= block {
		sums.add(p)
		p = p[block:]
	}
	var rest [block]byte
	filled := copy(rest[:], p) / 2
	sums.add(rest[:])
	// The words that fill the last block doubled all before them once each.
	return uint16(sums.total() % noChecksum << filled % noChecksum)
}

// blockSums are the sums of the words at each place of 16, two in each number.
type blockSums [4]struct{ places02, places13 uint64 }

// add adds a block of 32 bytes.
func (s *blockSums) add(p []byte) {
	const low = 0x0000ffff0000ffff
	_ = p[31]
	for i := range s {
		v := binary.BigEndian.Uint64(p[8*i:])
		s[i].places02 += v >> 16 & low
		s[i].places13 += v & low
	}
}

// total is the sum of all, modulo 65535, as after the last place of a block.
func (s *blockSums) total() (sum uint64) {
	for i, q := range s {
		for j, n := range [4]uint64{q.places02 >> 32, q.places13 >> 32, q.places02 & 0xffffffff, q.places13 & 0xffffffff} {
			sum += (n&0xffff + n>>16) << (16 - 4*i - j)
		}
	}
	return sum
}

// ParsePacket reads an IDP packet at the start of b, which may be longer. The
// data is a part of b. Other errors than [ErrChecksum] are a [*PacketError].
func ParsePacket(b []byte) (h Header, data []byte, err error) {
	if err := h.parse(b); err != nil {
		if err == ErrChecksum {
			return h, b[HeaderSize:h.Length], err
		}
		return Header{}, nil, err
	}
	return h, b[HeaderSize:h.Length], nil
}

func (h *Header) parse(b []byte) error {
	if len(b) < HeaderSize {
		return &PacketError{fmt.Sprintf("%d bytes are shorter than its header", len(b))}
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	padded := n + n&1
	switch {
	case n < HeaderSize:
		return &PacketError{fmt.Sprintf("its length of %d is less than its header", n)}
	case n > MaxPacket:
		return &PacketError{fmt.Sprintf("its length of %d is more than %d", n, MaxPacket)}
	case padded > len(b):
		return &PacketError{fmt.Sprintf("its length is %d, but %d bytes arrived", n, len(b))}
	}
	sum := binary.BigEndian.Uint16(b)
	*h = Header{Unchecked: sum == noChecksum, Length: n, Hops: b[4], Type: b[5], To: getAddr(b[6:]), From: getAddr(b[18:])}
	if !h.Unchecked && sum != checksum(b[:padded]) {
		return ErrChecksum
	}
	return nil
}
