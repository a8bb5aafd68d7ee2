package xns

import (
	"fmt"
	"math"
	"time"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
)

// The options of domain NS. Those of a listener pass to the connections that
// it accepts. All but Datastream, PacketType, Broadcasting and Linger have
// to be set before the socket has its name.
var (
	// LinkOption chooses the link on which the socket's host is; see
	// [OpenLink].
	LinkOption = newOption(option.Spec{
		Name: "link", Phase: option.Opened, Default: "local, or what " + LinkVariable + " says",
		Doc: "the network: " + linkForms,
	}, linkCodec(), func(c *config) *string { return &c.link }, func(c *config) string {
		if c.link == "" {
			return defaultLink()
		}
		return c.link
	})

	// Gateway is the host that forwards what is for other networks: a static
	// default route. Zero is none.
	Gateway = newOption(option.Spec{
		Name: "gateway", Phase: option.Opened, Default: "0, none",
		Doc: "the host that forwards packets to other networks",
	}, codec.Codec[HostID]{Placeholder: "HOST", Parse: ParseHostID, Format: HostID.String}, func(c *config) *HostID { return &c.gateway }, nil)

	// Reserved allows binding to a socket below 3000.
	Reserved = newOption(option.Spec{
		Name: "reserved", Phase: option.Opened, Default: "off",
		Doc: "allow sockets below 3000, which belong to well-known services",
	}, codec.Flag, func(c *config) *bool { return &c.reserved }, nil)

	// Checksum makes packets carry a checksum. What arrives with one is
	// always verified.
	Checksum = newOption(option.Spec{
		Name: "checksum", Phase: option.Opened, Default: "on",
		Doc: "send packets with a checksum; what arrives with one is always verified",
	}, codec.Flag, func(c *config) *bool { return &c.checked }, nil)

	// Broadcasting allows sending to every host.
	Broadcasting = newOption(option.Spec{
		Name: "broadcast", Aliases: []string{"so-broadcast"}, Constant: "SO_BROADCAST", Phase: option.Opened, Default: "off",
		Doc: "allow sending to every host, FFFFFFFFFFFF",
	}, codec.Flag, func(c *config) *bool { return &c.broadcast }, nil)

	// PacketType is the type of the IDP packets that a datagram socket sends.
	PacketType = newOption(option.Spec{
		Name: "type", Constant: "SO_DEFAULT_HEADERS", Phase: option.Opened, Default: "0",
		Doc: "the type of the packets sent, such as 4 for Packet Exchange",
	}, small("TYPE", math.MaxUint8), func(c *config) *uint8 { return &c.packetType }, nil)

	// Datastream is the datastream type of what is sent without another one.
	Datastream = newOption(option.Spec{
		Name: "datastream", Phase: option.Connected, Default: "0",
		Doc: "the datastream type of what is sent, 0 to 253",
	}, small("TYPE", datastreamEnd-1), func(c *config) *uint8 { return &c.datastream }, nil)

	// Packets makes each packet that arrives a message of its own, whether or
	// not it ends one; EndOfRecord says which do. It is for peers that never
	// mark an end.
	Packets = newOption(option.Spec{
		Name: "packets", Phase: option.Opened, Default: "off",
		Doc: "take each packet as a message, for peers that never mark the end of one",
	}, codec.Flag, func(c *config) *bool { return &c.packets }, nil)

	// MTU is the most bytes of user data in one packet. Every part of an XNS
	// network carries the default.
	MTU = newOption(option.Spec{
		Name: "mtu", Constant: "SO_MTU", Phase: option.Opened, Default: "534; 546 for a datagram",
		Doc: "maximum bytes of data in a packet, up to 1458 if the link carries them (a hub: 968)",
	}, codec.Between(codec.Integer, 1, MaxPacket-HeaderSize-SPPHeaderSize).Or("SIZE"), func(c *config) *int { return &c.mtu }, nil)

	// Window is how many packets may wait for the reader.
	Window = newOption(option.Spec{
		Name: "window", Phase: option.Opened, Default: "128",
		Doc: "how many packets may wait for the reader",
	}, codec.Between(codec.Integer, 1, maxWindow).Or("PACKETS"), func(c *config) *int { return &c.window }, nil)

	// Tries is how many times a packet is sent before the peer is given up.
	Tries = newOption(option.Spec{
		Name: "tries", Phase: option.Opened, Default: "12",
		Doc: "how many times a packet is sent before the connection fails",
	}, codec.Between(codec.Integer, 1, 1000).Or("NUMBER"), func(c *config) *int { return &c.tries }, nil)

	// Keepalive is how long a connection may be silent before the peer is
	// asked whether it is there; 8 questions without an answer end it. 0 is
	// never.
	Keepalive = newOption(option.Spec{
		Name: "keepalive", Phase: option.Opened, Default: "1m15s",
		Doc: "probe a peer that has been silent for this long; 0 is never",
	}, codec.Duration, func(c *config) *time.Duration { return &c.keepalive }, nil)

	// CloseTimeout bounds how long a closed connection goes on in the
	// background to deliver what was written and to close as the peer expects.
	CloseTimeout = newOption(option.Spec{
		Name: "close-timeout", Phase: option.Opened, Default: "15s",
		Doc: "how long a closed connection may take in the background to deliver and to end",
	}, codec.Duration, func(c *config) *time.Duration { return &c.closeTime }, nil)

	// Linger is how long Close itself waits for that.
	Linger = newOption(option.Spec{
		Name: "linger", Phase: option.Opened, Default: "250ms",
		Doc: "how long Close itself waits for the background part",
	}, codec.Duration, func(c *config) *time.Duration { return &c.linger }, nil)
)

func commonOptions() []*option.Spec {
	return []*option.Spec{LinkOption.Spec, Gateway.Spec, Reserved.Spec, Checksum.Spec, MTU.Spec}
}

func streamOptions() []*option.Spec {
	return append(commonOptions(), Window.Spec, Tries.Spec, Keepalive.Spec, CloseTimeout.Spec, Linger.Spec, Datastream.Spec)
}

func seqPacketOptions() []*option.Spec { return append(streamOptions(), Packets.Spec) }

func datagramOptions() []*option.Spec {
	return append(commonOptions(), Broadcasting.Spec, PacketType.Spec)
}

// option defines an option that is a field of config. read, if not nil, says
// what it is where that is not the field.
func newOption[T any](s option.Spec, c codec.Codec[T], field func(*config) *T, read func(*config) T) *option.Option[T] {
	return option.New(s, c,
		func(e socket.Endpoint, v T) error {
			x, err := configured(e, s.Name)
			if err != nil {
				return err
			}
			x.mu.Lock()
			defer x.mu.Unlock()
			if s.Phase == option.Opened && x.name.Socket != 0 && !changesLater[s.Name] {
				return fmt.Errorf("%s cannot be changed on a socket that has a name already", s.Name)
			}
			*field(&x.config) = v
			return nil
		},
		func(e socket.Endpoint) (v T, err error) {
			x, err := configured(e, s.Name)
			if err != nil {
				return v, err
			}
			x.mu.Lock()
			defer x.mu.Unlock()
			if read != nil {
				return read(&x.config), nil
			}
			return *field(&x.config), nil
		})
}

// changesLater are the options that may be set at any time.
var changesLater = map[string]bool{"type": true, "broadcast": true, "linger": true}

func configured(e socket.Endpoint, name string) (*base, error) {
	x, ok := socket.Beneath[configurable](e)
	if !ok {
		return nil, &socket.UnsupportedError{Feature: "option " + name, Needs: "a socket of domain ns"}
	}
	return x.settings(), nil
}

func linkCodec() codec.Codec[string] {
	c := codec.Text.Or("LINK")
	c.Parse = func(text string) (string, error) { return text, CheckLink(text) }
	return c
}

func small(placeholder string, most uint8) codec.Codec[uint8] {
	c := codec.Between(codec.Integer, 0, int(most))
	return codec.Codec[uint8]{
		Placeholder: placeholder,
		Parse:       func(text string) (uint8, error) { n, err := c.Parse(text); return uint8(n), err },
		Format:      func(v uint8) string { return c.Format(int(v)) },
	}
}
