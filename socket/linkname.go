package socket

import (
	"encoding/binary"
	"net"
	"strconv"
)

// The bytes of a packet name: interface (4, big-endian), protocol (2,
// big-endian), whom the packet is for (1), hardware address (0 to 8).
const (
	linkProtocol = 4
	linkType     = 6
	linkHardware = 7
	maxHardware  = 8
)

// AllProtocols is the protocol of a packet name that means every packet:
// ETH_P_ALL.
const AllProtocols = 3

// A PacketType is whom a packet is for, as the name of a received packet says
// (sll_pkttype of packet(7)).
type PacketType uint8

// The types of packet.
const (
	ForThisHost  PacketType = 0
	ForAll       PacketType = 1 // broadcast
	ForGroup     PacketType = 2 // multicast
	ForOtherHost PacketType = 3 // seen by a promiscuous interface
	Outgoing     PacketType = 4 // sent by this machine
)

// PacketName returns a name of domain [Packet]: an interface by its index, 0
// for any; a protocol of Ethernet, as 0x0800, [AllProtocols] for any or 0 for
// none; and, to send to, a hardware address of at most 8 bytes, of which more
// are left out.
func PacketName(index int, protocol uint16, hardware net.HardwareAddr) Name {
	var n Name
	n.setLink(protocol, index, ForThisHost, hardware)
	return n
}

func (n *Name) setLink(protocol uint16, index int, kind PacketType, hardware []byte) {
	*n = Name{domain: Packet, length: linkHardware}
	binary.BigEndian.PutUint32(n.data[:], uint32(index))
	binary.BigEndian.PutUint16(n.data[linkProtocol:], protocol)
	n.data[linkType] = byte(kind)
	n.length += uint8(copy(n.data[linkHardware:linkHardware+maxHardware], hardware))
}

type link struct {
	index    int
	protocol uint16
	kind     PacketType
	hardware []byte
}

func (n *Name) link() link {
	return link{
		int(int32(binary.BigEndian.Uint32(n.data[:]))), binary.BigEndian.Uint16(n.data[linkProtocol:]),
		PacketType(n.data[linkType]), n.data[linkHardware:max(n.length, linkHardware)],
	}
}

// Link returns the parts of a packet name, and zeros for a name of another
// domain. The hardware address is a copy.
func (n Name) Link() (index int, protocol uint16, kind PacketType, hardware net.HardwareAddr) {
	if n.domain != Packet {
		return 0, 0, 0, nil
	}
	l := n.link()
	return l.index, l.protocol, l.kind, append(net.HardwareAddr(nil), l.hardware...)
}

// formatLink writes a packet name as "eth0" or "eth0/02:00:00:00:00:01"; an
// interface that is gone by its index.
func formatLink(n Name) string {
	index, _, _, hardware := n.Link()
	text := "any"
	if index != 0 {
		text = strconv.Itoa(index)
		if i, err := net.InterfaceByIndex(index); err == nil {
			text = i.Name
		}
	}
	if len(hardware) > 0 {
		text += "/" + hardware.String()
	}
	return text
}
