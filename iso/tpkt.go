package iso

import "encoding/binary"

// The packets in which TPDUs travel over TCP: RFC 1006, section 6.
const (
	tpktVersion = 3
	tpktHeader  = 4
	leastTPKT   = 7     // header and the shortest TPDU
	mostTPKT    = 65535 // what the length can say
)

// putTPKT writes the header of a packet that carries a TPDU of size bytes.
func putTPKT(b []byte, size int) {
	b[0], b[1] = tpktVersion, 0
	binary.BigEndian.PutUint16(b[2:], uint16(tpktHeader+size))
}

// parseTPKT returns the length of a packet, header included. The reserved
// byte may be anything (RFC 2126, section 6.10). b holds at least the header.
func parseTPKT(b []byte) (int, error) {
	if b[0] != tpktVersion {
		return 0, protocolError(causeUnspecified, "no TPKT of version 3 came, but the byte %#02x: what answers is not ISO transport over TCP", b[0])
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < leastTPKT {
		return 0, protocolError(causeUnspecified, "a TPKT of %d bytes came: the minimum is %d", n, leastTPKT)
	}
	return n, nil
}
