package option

import (
	"fmt"
	"strconv"
	"syscall"

	"zocalo/codec"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// Options of the Internet Protocol, see ip(7) and ipv6(7). Each sets that of
// the socket's version; on an IPv6 socket also that of IPv4, for peers that it
// reaches by mapped addresses.
var (
	// TypeOfService is the DSCP and ECN byte of the packets sent (IP_TOS;
	// IPV6_TCLASS, Linux 2.6.14). TCP silently keeps the two bits of ECN to
	// itself.
	TypeOfService = ipOption(Spec{
		Name: "tos", Aliases: []string{"ip-tos", "tclass", "ipv6-tclass"}, Constant: "IP_TOS", Phase: Opened, Default: "0",
		Doc:      "DSCP and ECN byte of the packets sent",
		Since:    "Linux 2.0, IPV6_TCLASS 2.6.14",
		Silently: "leaves the ECN bits to TCP, and on IPv4 also changes the priority",
	}, codec.Between(codec.Integer, 0, 255), sys.IP_TOS, sys.IPV6_TCLASS, same, same)

	// TTL is how many hops the packets sent may take, 1 to 255 (IP_TTL;
	// IPV6_UNICAST_HOPS). Multicast has [MulticastTTL].
	TTL = ipOption(Spec{
		Name: "ttl", Aliases: []string{"ip-ttl", "hops", "ipv6-unicast-hops"}, Constant: "IP_TTL", Phase: Opened, Default: "the system's, 64 on Linux",
		Doc:   "hops that the packets sent may take",
		Since: "Linux 2.0, IPV6_UNICAST_HOPS 2.2",
	}, codec.Between(codec.Integer, 1, 255), sys.IP_TTL, sys.IPV6_UNICAST_HOPS, same, same)

	// MTUDiscovery is whether packets too long for the path are sent in
	// fragments, or refused with EMSGSIZE until their size is known
	// (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER).
	MTUDiscovery = ipOption(Spec{
		Name: "mtu-discover", Aliases: []string{"ip-mtu-discover", "pmtudisc"}, Constant: "IP_MTU_DISCOVER", Phase: Opened, Default: "want, unless net.ipv4.ip_no_pmtu_disc says otherwise",
		Doc:   "what to do about the path MTU: dont, want, do, probe, interface or omit",
		Since: "Linux 2.2, probe 2.6.22, interface 3.14, omit 3.16",
	}, codec.Codec[MTUMode]{Placeholder: "MODE", Parse: ParseMTUMode, Format: MTUMode.String}, sys.IP_MTU_DISCOVER, sys.IPV6_MTU_DISCOVER,
		func(m MTUMode) int { return int(m) }, func(n int) MTUMode { return MTUMode(n) })

	// ReceiveErrors queues the errors of what was sent, for
	// [socket.Socket.ReceiveError] (IP_RECVERR, IPV6_RECVERR; Linux 2.2). UDP then
	// also reports those of an unconnected socket, at its next call.
	ReceiveErrors = ipFlag(Spec{
		Name: "recverr", Aliases: []string{"ip-recverr", "ipv6-recverr"}, Constant: "IP_RECVERR", Phase: Opened, Default: "off",
		Doc:      "queue errors about what was sent, with the address that reported them",
		Since:    "Linux 2.2",
		Silently: "also reports errors of an unconnected UDP socket at its next call",
	}, sys.IP_RECVERR, sys.IPV6_RECVERR)

	// ReceivePacketInfo, ReceiveHopLimit and ReceiveTrafficClass make
	// messages come with the fields of [socket.Ancillary] of those names.
	// (IP_PKTINFO, IPV6_RECVPKTINFO; IP_RECVTTL, IPV6_RECVHOPLIMIT;
	// IP_RECVTOS, IPV6_RECVTCLASS). A stream has none, and silently accepts
	// the options.
	ReceivePacketInfo = ipFlag(Spec{
		Name: "pktinfo", Aliases: []string{"ip-pktinfo", "ipv6-recvpktinfo"}, Constant: "IP_PKTINFO", Phase: Opened, Default: "off",
		Doc:      "receive the interface and the destination with each message",
		Since:    "Linux 2.2, IPV6_RECVPKTINFO 2.6.14",
		Silently: "has no effect on a stream",
	}, sys.IP_PKTINFO, sys.IPV6_RECVPKTINFO)

	// ReceiveHopLimit is described at ReceivePacketInfo.
	ReceiveHopLimit = ipFlag(Spec{
		Name: "recvttl", Aliases: []string{"ip-recvttl", "recvhoplimit", "ipv6-recvhoplimit"}, Constant: "IP_RECVTTL", Phase: Opened, Default: "off",
		Doc:      "receive the hop limit with each message",
		Since:    "Linux 2.2, IPV6_RECVHOPLIMIT 2.6.14",
		Silently: "has no effect on a stream",
	}, sys.IP_RECVTTL, sys.IPV6_RECVHOPLIMIT)

	// ReceiveTrafficClass is described at ReceivePacketInfo.
	ReceiveTrafficClass = ipFlag(Spec{
		Name: "recvtos", Aliases: []string{"ip-recvtos", "recvtclass", "ipv6-recvtclass"}, Constant: "IP_RECVTOS", Phase: Opened, Default: "off",
		Doc:      "receive the byte of DSCP and ECN with each message",
		Since:    "Linux 2.2, IPV6_RECVTCLASS 2.6.14",
		Silently: "has no effect on a stream",
	}, sys.IP_RECVTOS, sys.IPV6_RECVTCLASS)

	// ReceiveOriginalDestination makes datagrams that a rule gave to a
	// transparent proxy come with their OriginalDestination
	// (IP_RECVORIGDSTADDR, Linux 2.6.29; IPV6_RECVORIGDSTADDR, 2.6.37).
	ReceiveOriginalDestination = ipFlag(Spec{
		Name: "recvorigdstaddr", Aliases: []string{"ip-recvorigdstaddr"}, Constant: "IP_RECVORIGDSTADDR", Phase: Opened, Default: "off",
		Doc:      "receive the original destination with each datagram of a transparent proxy",
		Since:    "Linux 2.6.29, IPV6_RECVORIGDSTADDR 2.6.37",
		Silently: "is the packet's own destination if no proxy redirected it",
	}, sys.IP_RECVORIGDSTADDR, sys.IPV6_RECVORIGDSTADDR)

	// FreeBind lets bind take an address that no interface has, or not yet
	// (IP_FREEBIND, Linux 2.4; IPV6_FREEBIND, 4.15).
	FreeBind = ipFlag(Spec{
		Name: "freebind", Aliases: []string{"ip-freebind"}, Constant: "IP_FREEBIND", Phase: Opened, Default: "off",
		Doc:   "bind to an address that this machine does not have, or not yet",
		Since: "Linux 2.4, IPV6_FREEBIND 4.15",
	}, sys.IP_FREEBIND, sys.IPV6_FREEBIND)

	// Transparent lets the socket take the addresses of others, as a
	// transparent proxy does (IP_TRANSPARENT, Linux 2.6.28; IPV6_TRANSPARENT,
	// 2.6.37). It needs CAP_NET_ADMIN or CAP_NET_RAW.
	Transparent = ipFlag(Spec{
		Name: "transparent", Aliases: []string{"ip-transparent"}, Constant: "IP_TRANSPARENT", Phase: Opened, Default: "off",
		Doc:   "act for the addresses of others, as a transparent proxy",
		Since: "Linux 2.6.28, IPV6_TRANSPARENT 2.6.37", Privilege: "CAP_NET_ADMIN or CAP_NET_RAW",
		Silently: "receives nothing for other hosts' addresses without a route or rule that brings it here",
	}, sys.IP_TRANSPARENT, sys.IPV6_TRANSPARENT)

	// BindAddressNoPort leaves the choice of a port 0 from bind to connect,
	// so that more connections can share it (IP_BIND_ADDRESS_NO_PORT, Linux
	// 4.2).
	BindAddressNoPort = intOption(Spec{
		Name: "bind-address-no-port", Aliases: []string{"ip-bind-address-no-port"}, Constant: "IP_BIND_ADDRESS_NO_PORT", Phase: Opened, Default: "off",
		Doc:   "choose the port of bind=host:0 when connecting, so that more connections can share it",
		Since: "Linux 4.2",
	}, codec.Flag, sys.IPPROTO_IP, sys.IP_BIND_ADDRESS_NO_PORT, boolToInt, intToBool)

	// OriginalDestination is the name to which a connection was made before
	// netfilter's REDIRECT or DNAT changed it (SO_ORIGINAL_DST, with
	// conntrack). It is only read.
	OriginalDestination = New(Spec{
		Name: "original-dst", Constant: "SO_ORIGINAL_DST", Phase: Connected,
		Doc:   "the original destination of a redirected connection, from netfilter's conntrack",
		Since: "Linux 2.4, for IPv6 3.8",
	}, codec.Codec[socket.Name]{Format: socket.Name.String}, nil, func(e socket.Endpoint) (n socket.Name, err error) {
		var a sys.Sockaddr
		err = onFD(e, "SO_ORIGINAL_DST", func(fd int) syscall.Errno {
			return sys.OriginalDestination(fd, domainOf(e) == socket.Inet6, &a)
		})
		return socket.SockaddrName(a.Buf[:a.Len]), err
	})
)

// An MTUMode is a value of [MTUDiscovery], under Linux's numbers.
type MTUMode int

// The modes: IP_PMTUDISC_*.
const (
	MTUDont      MTUMode = 0 // never set the bit "don't fragment"
	MTUWant      MTUMode = 1 // learn the path's MTU, and fragment what is longer
	MTUDo        MTUMode = 2 // always set the bit, and refuse what is longer
	MTUProbe     MTUMode = 3 // set the bit, and ignore the path's MTU (Linux 2.6.22)
	MTUInterface MTUMode = 4 // use the interface's MTU, and believe no ICMP (Linux 3.14)
	MTUOmit      MTUMode = 5 // as MTUInterface, but fragment what is longer (Linux 3.16)
)

var mtuModes = [...]string{"dont", "want", "do", "probe", "interface", "omit"}

// ParseMTUMode reads a mode's name, such as "do".
func ParseMTUMode(text string) (MTUMode, error) {
	for i, name := range mtuModes {
		if name == text {
			return MTUMode(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not one of dont, want, do, probe, interface, omit", text)
}

// String is the inverse of ParseMTUMode.
func (m MTUMode) String() string {
	if m >= 0 && int(m) < len(mtuModes) {
		return mtuModes[m]
	}
	return "mode " + strconv.Itoa(int(m))
}

// domainOf returns the domain of the kernel's socket beneath e.
func domainOf(e socket.Endpoint) socket.Domain {
	if k, ok := socket.Beneath[interface{ Domain() socket.Domain }](e); ok {
		return k.Domain()
	}
	return socket.Unspecified
}

// ipOption defines an option whose value is an int for the system, under one
// number for IPv4 and another for IPv6.
func ipOption[T any](s Spec, c codec.Codec[T], four, six int, to func(T) int, from func(int) T) *Option[T] {
	constant := s.Constant
	return New(s, c, func(e socket.Endpoint, v T) error {
		if domainOf(e) != socket.Inet6 {
			return setInt(e, constant, sys.IPPROTO_IP, four, to(v))
		}
		if err := setInt(e, constant, sys.IPPROTO_IPV6, six, to(v)); err != nil {
			return err
		}
		// A raw socket, or one for IPv6 alone, has no packets of IPv4.
		_ = setInt(e, constant, sys.IPPROTO_IP, four, to(v))
		return nil
	}, func(e socket.Endpoint) (v T, err error) {
		level, name := sys.IPPROTO_IP, four
		if domainOf(e) == socket.Inet6 {
			level, name = sys.IPPROTO_IPV6, six
		}
		n, err := getInt(e, constant, level, name)
		if err != nil {
			return v, err
		}
		return from(n), nil
	})
}

func ipFlag(s Spec, four, six int) *Option[bool] {
	return ipOption(s, codec.Flag, four, six, boolToInt, intToBool)
}
