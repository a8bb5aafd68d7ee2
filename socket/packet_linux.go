package socket

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"zocalo/internal/sys"
)

func init() { Register(packetFamily()) }

// packetFamily is AF_PACKET, see packet(7): the packets of a link, with its
// header (Raw) or without (Datagram). It needs CAP_NET_RAW.
func packetFamily() *Family {
	scheme := func(name, doc string, t Type) *Scheme {
		return &Scheme{
			Name: name, Endpoint: "interface, or interface/hardware-address", Doc: doc, Domains: []Domain{Packet}, Type: t,
			Options: append(commonOptions(), linkProtocolOption.Spec, Promiscuous.Spec, Fanout.Spec, IgnoreOutgoing.Spec, Mark.Spec, Priority.Spec),
			Resolve: resolveLink, Bind: bindLink,
		}
	}
	return &Family{
		Name:       "packet",
		Domains:    []DomainConstant{{Packet, "AF_PACKET"}},
		New:        openKernel,
		FormatName: formatLink,
		KindName: func(k Kind) string {
			return map[Type]string{Raw: "packet", Datagram: "packet-dgram"}[k.Type]
		},
		Properties: func(Kind) Properties { return Properties{Bounded: true} },
		Schemes: []*Scheme{
			scheme("packet", "the frames of a network interface (needs CAP_NET_RAW)", Raw),
			scheme("packet-dgram", "the packets of a network interface without their link header (needs CAP_NET_RAW)", Datagram),
		},
	}
}

var linkProtocols = []struct {
	name   string
	number int
}{{"all", AllProtocols}, {"ip", 0x0800}, {"arp", 0x0806}, {"ipv6", 0x86dd}}

// linkProtocolOption chooses the protocol of a packet socket.
var linkProtocolOption = NewOption(Spec{
	Name: "protocol", Aliases: []string{"proto"}, Phase: Naming, Default: "all",
	Doc: "protocol of Ethernet: all, ip, arp, ipv6 or a number as 0x88b5",
}, Codec[int]{"PROTOCOL", func(text string) (int, error) {
	for _, p := range linkProtocols {
		if p.name == text {
			return p.number, nil
		}
	}
	n, err := strconv.ParseUint(text, 0, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is neither all, ip, arp, ipv6 nor a number from 1 to 0xffff", text)
	}
	return int(n), nil
}, func(n int) string {
	for _, p := range linkProtocols {
		if p.number == n {
			return p.name
		}
	}
	return fmt.Sprintf("%#04x", n)
}}, nil, nil)

// resolveLink reads interface/hardware-address, where the interface may be
// "any" for the passive side.
func resolveLink(_ context.Context, t Target) ([]Name, error) {
	protocol, given := linkProtocolOption.In(t.Settings)
	if !given {
		protocol = AllProtocols
	}
	device, text, found := strings.Cut(t.Endpoint, "/")
	var hardware net.HardwareAddr
	if found {
		var err error
		if hardware, err = net.ParseMAC(text); err != nil || len(hardware) > maxHardware {
			return nil, fmt.Errorf("%q is no hardware address such as 02:00:00:00:00:01", text)
		}
	}
	switch {
	case found && t.Passive:
		return nil, fmt.Errorf("%q: a listener has no hardware address: leave out what follows /", t.Endpoint)
	case device == "any" && t.Passive:
		return []Name{PacketName(0, uint16(protocol), nil)}, nil
	case device == "":
		return nil, fmt.Errorf("%q names no interface: write one, as lo or eth0", t.Endpoint)
	}
	index, err := interfaceIndex(device)
	if err != nil {
		return nil, err
	}
	return []Name{PacketName(index, uint16(protocol), hardware)}, nil
}

// bindLink binds, and joins the group that shares packets, which takes a bound
// socket.
func bindLink(_ context.Context, t Target, s *Socket, n Name) error {
	if err := s.Bind(n); err != nil {
		return err
	}
	if group, given := Fanout.In(t.Settings); given {
		return Fanout.Set(s, group)
	}
	return nil
}

// Options of packet sockets, see packet(7).
var (
	// Promiscuous makes an interface, by its name, hand over the frames for
	// other hosts as well, for as long as the socket lives
	// (PACKET_ADD_MEMBERSHIP with PACKET_MR_PROMISC; Linux 2.2).
	Promiscuous = NewOption(Spec{
		Name: "promisc", Aliases: []string{"promiscuous"}, Constant: "PACKET_ADD_MEMBERSHIP", Phase: Opened, Default: "off", Repeatable: true,
		Doc:   "interface to receive the frames for other hosts on, too",
		Since: "Linux 2.2", Privilege: "CAP_NET_RAW, as the socket itself",
	}, Text.Or("INTERFACE"), func(e Endpoint, name string) error { return setPromiscuous(e, name, true) }, nil)

	// NotPromiscuous ends what Promiscuous began.
	NotPromiscuous = NewOption(Spec{
		Name: "no-promisc", Constant: "PACKET_DROP_MEMBERSHIP", Phase: Opened, Default: "off", Repeatable: true,
		Doc:   "interface to end the option promisc on",
		Since: "Linux 2.2", Privilege: "CAP_NET_RAW, as the socket itself",
	}, Text.Or("INTERFACE"), func(e Endpoint, name string) error { return setPromiscuous(e, name, false) }, nil)

	// Fanout spreads packets over the bound sockets that give the same
	// number (PACKET_FANOUT, Linux 3.1). It is set after Bind, and holds until
	// the socket is closed.
	Fanout = NewOption(Spec{
		Name: "fanout", Aliases: []string{"packet-fanout"}, Constant: "PACKET_FANOUT", Phase: Naming, Default: "none", Only: PassiveOnly,
		Doc:   "number of a group of sockets to share packets with, and how: ID, or ID:MODE of hash, lb, cpu, rollover, random, queue",
		Since: "Linux 3.1, rollover 3.10, random 3.12, queue 3.14", Privilege: "CAP_NET_RAW, as the socket itself",
	}, Codec[FanoutGroup]{"ID", ParseFanoutGroup, FanoutGroup.String}, func(e Endpoint, g FanoutGroup) error {
		return setInt(e, "PACKET_FANOUT", sys.SOL_PACKET, sys.PACKET_FANOUT, int(g.ID)|int(g.Mode)<<16)
	}, func(e Endpoint) (FanoutGroup, error) {
		n, err := getInt(e, "PACKET_FANOUT", sys.SOL_PACKET, sys.PACKET_FANOUT)
		return FanoutGroup{uint16(n), FanoutMode(n >> 16 & 0xff)}, err
	})

	// IgnoreOutgoing leaves out the packets that this machine sends
	// (PACKET_IGNORE_OUTGOING, Linux 4.20).
	IgnoreOutgoing = intOption(Spec{
		Name: "ignore-outgoing", Aliases: []string{"packet-ignore-outgoing"}, Constant: "PACKET_IGNORE_OUTGOING", Phase: Opened, Default: "off",
		Doc:   "leave out the packets that this machine sends",
		Since: "Linux 4.20", Privilege: "CAP_NET_RAW, as the socket itself",
	}, Flag, sys.SOL_PACKET, sys.PACKET_IGNORE_OUTGOING, boolToInt, intToBool)
)

func setPromiscuous(e Endpoint, name string, on bool) error {
	index, err := interfaceIndex(name)
	if err != nil {
		return err
	}
	return onFD(e, "PACKET_ADD_MEMBERSHIP", func(fd int) syscall.Errno { return sys.SetPromiscuous(fd, index, on) })
}

// A FanoutGroup is a group of packet sockets, and how packets are spread over
// them.
type FanoutGroup struct {
	ID   uint16
	Mode FanoutMode
}

// A FanoutMode is how, under Linux's numbers.
type FanoutMode uint8

// The modes of fanout.
const (
	ByHash     FanoutMode = 0 // of the flow: one flow stays with one socket
	ByTurns    FanoutMode = 1 // round-robin
	ByCPU      FanoutMode = 2 // the processor that it arrived on
	ByRollover FanoutMode = 3 // the first with room (Linux 3.10)
	ByChance   FanoutMode = 4 // at random (Linux 3.12)
	ByQueue    FanoutMode = 5 // the device's queue (Linux 3.14)
)

var fanoutModes = [...]string{"hash", "lb", "cpu", "rollover", "random", "queue"}

// ParseFanoutGroup reads ID or ID:MODE, as "7:lb".
func ParseFanoutGroup(text string) (FanoutGroup, error) {
	number, mode, found := strings.Cut(text, ":")
	n, err := strconv.ParseUint(number, 0, 16)
	if err != nil {
		return FanoutGroup{}, fmt.Errorf("%q is no number from 0 to 65535", number)
	}
	if !found {
		return FanoutGroup{uint16(n), ByHash}, nil
	}
	for i, name := range fanoutModes {
		if name == mode {
			return FanoutGroup{uint16(n), FanoutMode(i)}, nil
		}
	}
	return FanoutGroup{}, fmt.Errorf("%q is none of hash, lb, cpu, rollover, random, queue", mode)
}

// String is the inverse of ParseFanoutGroup.
func (g FanoutGroup) String() string {
	if int(g.Mode) < len(fanoutModes) {
		return fmt.Sprintf("%d:%s", g.ID, fanoutModes[g.Mode])
	}
	return fmt.Sprintf("%d:mode %d", g.ID, g.Mode)
}
