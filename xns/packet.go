package xns

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The sizes of an IDP packet, in octets.
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
	Length    int  // octets of header and data
	Hops      uint8
	Type      uint8
	To, From  Addr
}

// A PacketError says why octets are not an IDP packet.
type PacketError struct{ Problem string }

// Error returns it in one line.
func (e *PacketError) Error() string { return "not an IDP packet: " + e.Problem }

// ErrChecksum says that an IDP packet was changed on its way. ParsePacket
// returns the header and data all the same.
var ErrChecksum = errors.New("an IDP packet's checksum is wrong: it was changed on its way")

// AppendPacket appends to b an IDP packet with that data, and the octet of
// padding if its length is odd. It ignores h.Length. A packet of more than
// [MaxPacket] octets is an error.
func AppendPacket(b []byte, h Header, data []byte) ([]byte, error) {
	if len(data) > MaxPacket-HeaderSize {
		return b, fmt.Errorf("%d octets of data do not fit an IDP packet, which takes %d", len(data), MaxPacket-HeaderSize)
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

// checksum is that of a padded packet: a sum with end-around carry, rotated
// left after each word so that the order of words counts.
func checksum(p []byte) uint16 {
	var s uint32
	for i := 2; i+1 < len(p); i += 2 {
		s += uint32(p[i])<<8 | uint32(p[i+1])
		s = s&0xffff + s>>16
		s <<= 1
		s = s&0xffff + s>>16
	}
	if s == noChecksum {
		return 0
	}
	return uint16(s)
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
		return &PacketError{fmt.Sprintf("%d octets are less than its header", len(b))}
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	padded := n + n&1
	switch {
	case n < HeaderSize:
		return &PacketError{fmt.Sprintf("its length of %d is less than its header", n)}
	case n > MaxPacket:
		return &PacketError{fmt.Sprintf("its length of %d is more than %d", n, MaxPacket)}
	case padded > len(b):
		return &PacketError{fmt.Sprintf("its length is %d, and %d octets are there", n, len(b))}
	}
	sum := binary.BigEndian.Uint16(b)
	*h = Header{Unchecked: sum == noChecksum, Length: n, Hops: b[4], Type: b[5], To: getAddr(b[6:]), From: getAddr(b[18:])}
	if !h.Unchecked && sum != checksum(b[:padded]) {
		return ErrChecksum
	}
	return nil
}
