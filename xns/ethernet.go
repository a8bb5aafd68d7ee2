package xns

import "encoding/binary"

// EtherType is that of IDP in an Ethernet II frame.
const EtherType = 0x0600

const ethernetHeader = 14

// putEthernet writes to b the Ethernet II frame of a packet, and returns its
// length. The sender is the host whose number the packet has.
func putEthernet(b []byte, to, from HostID, packet []byte) int {
	copy(b, to[:])
	copy(b[6:], from[:])
	binary.BigEndian.PutUint16(b[12:], EtherType)
	return ethernetHeader + copy(b[ethernetHeader:], packet)
}

// ethernetPayload returns the IDP packet in a frame that is for that host or a
// group.
func ethernetPayload(frame []byte, host HostID) ([]byte, bool) {
	if len(frame) < ethernetHeader+HeaderSize || binary.BigEndian.Uint16(frame[12:]) != EtherType {
		return nil, false
	}
	to := HostID(frame[:6])
	return frame[ethernetHeader:], to == host || to.isGroup()
}
