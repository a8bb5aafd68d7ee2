package socket

import (
	"net/netip"
)

// Answer keeps, of what came with a question, what goes with the answer: where
// it is to leave, see [PacketInfo.Answer].
func (a *Ancillary) Answer() {
	a.Present &= HasPacketInfo
	a.PacketInfo = a.PacketInfo.Answer()
}

// Answer returns where an answer leaves to a question that came in at p: by the
// address that was asked. The interface is named too where the address alone
// does not say which, as a link-local one, or none was asked, as by a broadcast:
// then the answer comes from an address of the interface. Elsewhere the way
// back is the routing table's to choose.
func (p PacketInfo) Answer() PacketInfo {
	a := PacketInfo{Local: p.Local}
	if p.Local.IsUnspecified() {
		return PacketInfo{} // it came before the option was set
	}
	if p.Local != p.Destination || p.Local.IsLinkLocalUnicast() {
		a.Interface = p.Interface
	}
	return a
}

// At returns the name of s with the address that p has, for a socket of the
// Internet that has several; the name of s where p has none.
func (p PacketInfo) At(s Name) Name {
	if !p.Local.IsValid() || s.Domain() != Inet && s.Domain() != Inet6 {
		return s
	}
	return InetName(netip.AddrPortFrom(p.Local, s.AddrPort().Port())).in(s.Domain())
}

// IsGroup reports whether n is the name of many: a multicast group, or the
// broadcast address of all networks.
func (n Name) IsGroup() bool {
	a := n.AddrPort().Addr().Unmap()
	return a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
