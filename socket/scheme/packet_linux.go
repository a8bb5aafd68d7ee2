package scheme

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"zocalo/codec"
	"zocalo/internal/sys"
	"zocalo/socket"
	"zocalo/socket/option"
)

func init() { Register(packetSchemes()...) }

// packetFamily is AF_PACKET, see packet(7): the packets of a link, with its
// header (Raw) or without (Datagram). It needs CAP_NET_RAW.
func packetSchemes() []*Scheme {
	scheme := func(name, doc string, t socket.Type) *Scheme {
		return &Scheme{
			Name: name, Endpoint: "interface, or interface/hardware-address", Doc: doc, Domains: []socket.Domain{socket.Packet}, Type: t,
			Options: append(commonOptions(), linkProtocolOption.Spec, option.Promiscuous.Spec, option.Fanout.Spec, option.IgnoreOutgoing.Spec, option.Mark.Spec, option.Priority.Spec),
			Resolve: resolveLink, Bind: bindLink,
		}
	}
	return []*Scheme{
		scheme("packet", "the frames of a network interface (needs CAP_NET_RAW)", socket.Raw),
		scheme("packet-dgram", "the packets of a network interface without their link header (needs CAP_NET_RAW)", socket.Datagram),
	}
}

var linkProtocols = []struct {
	name   string
	number int
}{{"all", socket.AllProtocols}, {"ip", 0x0800}, {"arp", 0x0806}, {"ipv6", 0x86dd}}

// linkProtocolOption chooses the protocol of a packet socket.
var linkProtocolOption = option.New(option.Spec{
	Name: "protocol", Aliases: []string{"proto"}, Phase: option.Naming, Default: "all",
	Doc: "Ethernet protocol: all, ip, arp, ipv6, or a number such as 0x88b5",
}, codec.Codec[int]{Placeholder: "PROTOCOL", Parse: func(text string) (int, error) {
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
}, Format: func(n int) string {
	for _, p := range linkProtocols {
		if p.number == n {
			return p.name
		}
	}
	return fmt.Sprintf("%#04x", n)
}}, nil, nil)

// resolveLink reads interface/hardware-address, where the interface may be
// "any" for the passive side.
func resolveLink(_ context.Context, t Target) ([]socket.Name, error) {
	protocol, given := linkProtocolOption.In(t.Settings)
	if !given {
		protocol = socket.AllProtocols
	}
	device, text, found := strings.Cut(t.Endpoint, "/")
	var hardware net.HardwareAddr
	if found {
		var err error
		if hardware, err = net.ParseMAC(text); err != nil || len(hardware) > 8 {
			return nil, fmt.Errorf("%q is not a hardware address, such as 02:00:00:00:00:01", text)
		}
	}
	switch {
	case found && t.Passive:
		return nil, fmt.Errorf("%q: a listener has no hardware address: omit the / and what follows it", t.Endpoint)
	case device == "any" && t.Passive:
		return []socket.Name{socket.PacketName(0, uint16(protocol), nil)}, nil
	case device == "":
		return nil, fmt.Errorf("%q names no interface: write one, such as lo or eth0", t.Endpoint)
	}
	index, err := sys.InterfaceIndex(device)
	if err != nil {
		return nil, err
	}
	return []socket.Name{socket.PacketName(index, uint16(protocol), hardware)}, nil
}

// bindLink binds, and joins the group that shares packets, which takes a bound
// socket.
func bindLink(_ context.Context, t Target, s *socket.Socket, n socket.Name) error {
	if err := s.Bind(n); err != nil {
		return err
	}
	if group, given := option.Fanout.In(t.Settings); given {
		return option.Fanout.Set(s, group)
	}
	return nil
}
