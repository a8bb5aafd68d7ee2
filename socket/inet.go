package socket

import (
	"net"
)

func init() { Register(inetFamily()) }

func inetFamily() *Family {
	return &Family{
		Name:       "inet",
		Domains:    map[Domain]string{Inet: "AF_INET", Inet6: "AF_INET6"},
		New:        openKernel,
		FormatName: formatInet,
		NetAddr:    inetNetAddr,
		KindName:   inetKindName,
		Properties: inetProperties,
		Kinds: map[string]Kind{
			"tcp": {Domain: Inet, Type: Stream}, "tcp4": {Domain: Inet, Type: Stream}, "tcp6": {Domain: Inet6, Type: Stream},
			"udp": {Domain: Inet, Type: Datagram}, "udp4": {Domain: Inet, Type: Datagram}, "udp6": {Domain: Inet6, Type: Datagram},
			"mptcp": {Domain: Inet, Type: Stream, Protocol: MPTCP}, "mptcp6": {Domain: Inet6, Type: Stream, Protocol: MPTCP},
			"raw": {Domain: Inet, Type: Raw, Protocol: ICMP}, "raw6": {Domain: Inet6, Type: Raw, Protocol: ICMPv6},
		},
	}
}

func formatInet(n Name) string {
	ap := n.AddrPort()
	return ap.String()
}

func inetNetAddr(n Name, k Kind) net.Addr {
	ap := n.AddrPort()
	switch {
	case k.Type == Stream:
		return net.TCPAddrFromAddrPort(ap)
	case k.Type == Datagram:
		return net.UDPAddrFromAddrPort(ap)
	case k.Type == Raw:
		return &net.IPAddr{IP: ap.Addr().AsSlice(), Zone: ap.Addr().Zone()}
	}
	return nil
}

func inetKindName(k Kind) string {
	switch {
	case k.Type == Stream && k.Protocol == MPTCP:
		return "mptcp"
	case k.Type == Stream && (k.Protocol == 0 || k.Protocol == TCP):
		return "tcp"
	case k.Type == Datagram && (k.Protocol == 0 || k.Protocol == UDP):
		return "udp"
	case k.Type == Raw && k.Domain == Inet6:
		return "raw6"
	case k.Type == Raw:
		return "raw"
	}
	return ""
}

func inetProperties(k Kind) Properties {
	switch inetKindName(k) {
	case "tcp":
		return Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true, Urgent: 1}
	case "mptcp":
		return Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true}
	}
	return Properties{Bounded: k.Type.Bounded()}
}
