package option

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"zocalo/codec"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// Options of multicast, see ip(7) and ipv6(7).
var (
	// JoinGroup makes the socket receive what is sent to a multicast group,
	// from anyone or from one source (MCAST_JOIN_GROUP,
	// MCAST_JOIN_SOURCE_GROUP; RFC 3678, Linux 2.5.68). It can be set again
	// for further groups; net.ipv4.igmp_max_memberships bounds them (ENOBUFS).
	JoinGroup = New(Spec{
		Name: "multicast", Aliases: []string{"join", "ip-add-membership", "ipv6-join-group"}, Constant: "MCAST_JOIN_GROUP", Phase: Opened, Default: "none", Repeatable: true,
		Doc:   "join a multicast group: [SOURCE@]GROUP[%INTERFACE]",
		Since: "Linux 2.5.68",
	}, codec.Codec[Group]{Placeholder: "GROUP", Parse: ParseGroup, Format: Group.String}, func(e socket.Endpoint, g Group) error {
		return membership(e, "MCAST_JOIN_GROUP", g, sys.Join)
	}, nil)

	// LeaveGroup ends what JoinGroup with the same value began.
	LeaveGroup = New(Spec{
		Name: "leave", Aliases: []string{"ip-drop-membership"}, Constant: "MCAST_LEAVE_GROUP", Phase: Opened, Default: "none", Repeatable: true,
		Doc:   "leave a multicast group",
		Since: "Linux 2.5.68",
	}, codec.Codec[Group]{Placeholder: "GROUP", Parse: ParseGroup, Format: Group.String}, func(e socket.Endpoint, g Group) error {
		return membership(e, "MCAST_LEAVE_GROUP", g, sys.Leave)
	}, nil)

	// MulticastInterface is the interface, by its name, that packets to
	// multicast groups leave by (IP_MULTICAST_IF, IPV6_MULTICAST_IF). "" lets
	// the routes decide. Linux does not report it for IPv4.
	MulticastInterface = New(Spec{
		Name: "multicast-if", Aliases: []string{"multicast-interface", "ip-multicast-if"}, Constant: "IP_MULTICAST_IF", Phase: Opened, Default: "by the routes",
		Doc:   "interface by which packets to multicast groups leave",
		Since: "Linux 2.0, by index 2.2",
	}, codec.Text.Or("INTERFACE"), setMulticastInterface, getMulticastInterface)

	// MulticastTTL is how many hops packets to multicast groups may take, 0
	// to 255 (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS). 0 keeps them on this
	// machine.
	MulticastTTL = ipOption(Spec{
		Name: "multicast-ttl", Aliases: []string{"multicast-hops", "ip-multicast-ttl"}, Constant: "IP_MULTICAST_TTL", Phase: Opened, Default: "1: the local network only",
		Doc:   "hops that packets to multicast groups may take",
		Since: "Linux 2.0, IPV6_MULTICAST_HOPS 2.2",
	}, codec.Between(codec.Integer, 0, 255), sys.IP_MULTICAST_TTL, sys.IPV6_MULTICAST_HOPS, same, same)

	// MulticastLoop lets members on this machine receive what the socket
	// sends to a group (IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP).
	MulticastLoop = ipFlag(Spec{
		Name: "multicast-loop", Aliases: []string{"ip-multicast-loop"}, Constant: "IP_MULTICAST_LOOP", Phase: Opened, Default: "on",
		Doc:   "let members on this machine receive what is sent to a multicast group",
		Since: "Linux 2.0, IPV6_MULTICAST_LOOP 2.2",
	}, sys.IP_MULTICAST_LOOP, sys.IPV6_MULTICAST_LOOP)

	// MulticastAll makes a socket that is bound to every address receive what
	// is sent to any group that anyone on this machine has joined, rather than
	// to those that it joined itself (IP_MULTICAST_ALL, Linux 2.6.31;
	// IPV6_MULTICAST_ALL, 4.20).
	MulticastAll = ipFlag(Spec{
		Name: "multicast-all", Aliases: []string{"ip-multicast-all"}, Constant: "IP_MULTICAST_ALL", Phase: Opened, Default: "on",
		Doc:   "receive what is sent to groups that others on this machine joined",
		Since: "Linux 2.6.31, IPV6_MULTICAST_ALL 4.20",
	}, sys.IP_MULTICAST_ALL, sys.IPV6_MULTICAST_ALL)
)

// A Group is a membership in a multicast group.
type Group struct {
	Group     netip.Addr // of the socket's own version
	Source    netip.Addr // the only sender to receive from; the zero Addr is anyone
	Interface string     // where; "" lets the routes decide
}

// ParseGroup reads [SOURCE@]GROUP[%INTERFACE], such as "239.1.2.3",
// "ff02::1234%eth0" or "192.0.2.7@232.1.1.1".
func ParseGroup(text string) (g Group, err error) {
	rest, source, sourced := text, "", false
	if before, after, found := strings.Cut(text, "@"); found {
		source, rest, sourced = before, after, true
	}
	group, device, named := strings.Cut(rest, "%")
	if named && device == "" {
		return Group{}, fmt.Errorf("%q has no interface after %%", text)
	}
	if g.Group, err = netip.ParseAddr(group); err != nil || !g.Group.IsMulticast() {
		return Group{}, fmt.Errorf("%q is not a multicast group: write one from 224.0.0.0 to 239.255.255.255 or from ff00::/8, as [SOURCE@]GROUP[%%INTERFACE]", text)
	}
	if g.Interface = device; sourced {
		g.Source, err = netip.ParseAddr(source)
		if err != nil || g.Source.Is4() != g.Group.Is4() || g.Source.IsMulticast() || g.Source.Zone() != "" {
			return Group{}, fmt.Errorf("%q cannot be a sender to %v", source, g.Group)
		}
	}
	return g, nil
}

// String is the inverse of ParseGroup.
func (g Group) String() string {
	text := g.Group.String()
	if g.Source.IsValid() {
		text = g.Source.String() + "@" + text
	}
	if g.Interface != "" {
		text += "%" + g.Interface
	}
	return text
}

func membership(e socket.Endpoint, constant string, g Group, change func(int, int, *sys.Group) syscall.Errno) error {
	if sys.IP_MULTICAST_ALL < 0 {
		return &socket.UnsupportedError{Feature: constant, Needs: "Linux"}
	}
	level := sys.IPPROTO_IP
	if !g.Group.Is4() {
		level = sys.IPPROTO_IPV6
	}
	if d := domainOf(e); (d == socket.Inet || d == socket.Inet6) && (d == socket.Inet) != g.Group.Is4() {
		return &socket.HintError{Err: fmt.Errorf("group %v on a socket of domain %v: %w", g.Group, d, syscall.EAFNOSUPPORT),
			Hint: "use a socket of the group's version: udp4: or udp6:"}
	}
	index, err := sys.InterfaceIndex(g.Interface)
	if err != nil {
		return err
	}
	m := sys.Group{Index: index}
	group, source := socket.InetName(netip.AddrPortFrom(g.Group, 0)), socket.InetName(netip.AddrPortFrom(g.Source, 0))
	if err := setSockaddr(&m.Group, group); err != nil {
		return fmt.Errorf("multicast group %v: %w", g.Group, err)
	}
	if !source.IsZero() {
		if err := setSockaddr(&m.Source, source); err != nil {
			return err
		}
	}
	err = onFD(e, constant, func(fd int) syscall.Errno { return change(fd, level, &m) })
	if g.Interface == "" && errors.Is(err, syscall.ENODEV) {
		return &socket.HintError{Err: err, Hint: "no route leads to the group: name the interface after %"}
	}
	return err
}

// setSockaddr writes a name as the system lays it out.
func setSockaddr(a *sys.Sockaddr, n socket.Name) error {
	b, err := n.AppendSockaddr(a.Buf[:0])
	a.Len = uint32(len(b))
	return err
}

func setMulticastInterface(e socket.Endpoint, name string) error {
	index, err := sys.InterfaceIndex(name)
	if err != nil {
		return err
	}
	if domainOf(e) == socket.Inet6 {
		return setInt(e, "IPV6_MULTICAST_IF", sys.IPPROTO_IPV6, sys.IPV6_MULTICAST_IF, index)
	}
	return onOption(e, "IP_MULTICAST_IF", sys.IP_MULTICAST_IF, func(fd int) syscall.Errno { return sys.SetMulticastInterface(fd, index) })
}

// getMulticastInterface names the interface. Of IPv4 the system tells only
// the address that was set, which this package never does, and no index.
func getMulticastInterface(e socket.Endpoint) (string, error) {
	if domainOf(e) != socket.Inet6 {
		return "", &socket.UnsupportedError{Feature: "reading IP_MULTICAST_IF", Needs: "an IPv6 socket: the system does not report the interface for IPv4"}
	}
	index, err := getInt(e, "IPV6_MULTICAST_IF", sys.IPPROTO_IPV6, sys.IPV6_MULTICAST_IF)
	if err != nil || index == 0 {
		return "", err
	}
	i, err := net.InterfaceByIndex(index)
	if err != nil {
		return strconv.Itoa(index), nil
	}
	return i.Name, nil
}
