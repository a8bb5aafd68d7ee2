package xns

import "encoding/binary"

// An SPPHeader is what follows the IDP header in a packet of the Sequenced
// Packet Protocol (XSIS 028112).
type SPPHeader struct {
	Control    uint8  // the bits below
	Datastream uint8  // 0 to 253 are the client's
	From, To   uint16 // connection identifiers
	Sequence   uint16 // the packet's number, modulo 65536
	Ack        uint16 // the number expected next
	Allocation uint16 // the highest number that the peer may send
}

// SPPHeaderSize is the size of an SPPHeader in bytes.
const SPPHeaderSize = 12

// Bits of SPPHeader.Control.
const (
	ControlSystem       = 0x80 // no data and no sequence number of its own
	ControlSendAck      = 0x40 // the sender wants an acknowledgement
	ControlAttention    = 0x20 // one byte of urgent data
	ControlEndOfMessage = 0x10
)

// The datastream types that close a connection.
const (
	datastreamEnd      = 254
	datastreamEndReply = 255
)

// Append appends the header to b.
func (h SPPHeader) Append(b []byte) []byte {
	b = append(b, make([]byte, SPPHeaderSize)...)
	h.put(b[len(b)-SPPHeaderSize:])
	return b
}

func (h *SPPHeader) put(b []byte) {
	b[0], b[1] = h.Control, h.Datastream
	for i, v := range [...]uint16{h.From, h.To, h.Sequence, h.Ack, h.Allocation} {
		binary.BigEndian.PutUint16(b[2+2*i:], v)
	}
}

// ParseSPP reads the header at the start of an SPP packet's data, and returns
// what follows.
func ParseSPP(b []byte) (h SPPHeader, data []byte, err error) {
	if len(b) < SPPHeaderSize {
		return h, nil, &PacketError{"no room for an SPP header"}
	}
	v := func(i int) uint16 { return binary.BigEndian.Uint16(b[2+2*i:]) }
	return SPPHeader{b[0], b[1], v(0), v(1), v(2), v(3), v(4)}, b[SPPHeaderSize:], nil
}

// before reports whether sequence number a comes before b, in half of the
// circle that they go round.
func before(a, b uint16) bool { return int16(a-b) < 0 }
