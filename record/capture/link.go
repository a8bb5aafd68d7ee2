package capture

import (
	"encoding/binary"

	"zocalo/internal/pcapng"
)

// A packet is one as it came out of the file, and what its link layer tells of it.
type packet struct {
	data []byte // from the IP header on

	// Where a capture of all interfaces sees one packet several times, these differ.
	way, iface uint32
}

const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100
	etherQinQ  = 0x88a8
	etherQinQ2 = 0x9100
)

// fromLink finds the IP packet in what an interface of a link type saw. It returns
// false for what is no IP, known that the link type is one of those that can carry it.
func fromLink(t pcapng.LinkType, b []byte) (p packet, ok, known bool) {
	ether := uint16(0)
	switch t {
	case pcapng.LinkEthernet:
		if len(b) < 14 {
			return p, false, true
		}
		ether, b = binary.BigEndian.Uint16(b[12:]), b[14:]
	case pcapng.LinkLinuxSLL:
		if len(b) < 16 {
			return p, false, true
		}
		p.way = uint32(binary.BigEndian.Uint16(b))
		ether, b = binary.BigEndian.Uint16(b[14:]), b[16:]
	case pcapng.LinkLinuxSLL2:
		if len(b) < 20 {
			return p, false, true
		}
		p.iface, p.way = binary.BigEndian.Uint32(b[4:]), uint32(b[10])
		ether, b = binary.BigEndian.Uint16(b), b[20:]
	case pcapng.LinkNull, pcapng.LinkLoop:
		if len(b) < 4 {
			return p, false, true
		}
		b = b[4:] // an address family, whose numbers differ from system to system: the packet tells
	case pcapng.LinkRaw, pcapng.LinkIPv4, pcapng.LinkIPv6, 12, 14: // what some systems call raw
	case pcapng.LinkExportedPDU:
		return p, false, true // what a recording of ours says of faults, and no traffic
	default:
		return p, false, false
	}
	for ether == etherVLAN || ether == etherQinQ || ether == etherQinQ2 {
		if len(b) < 4 {
			return p, false, true
		}
		ether, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	p.data = b
	return p, ether == 0 || ether == etherIPv4 || ether == etherIPv6, true
}
