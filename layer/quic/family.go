package quic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"zocalo/codec"
	"zocalo/layer/tls"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// The domains: QUIC over IPv4, and over IPv6. Names are those of the Internet.
const (
	Domain  socket.Domain = 0x109
	Domain6 socket.Domain = 0x10a
)

// Protocol is what an address without alpn= speaks. In it each stream begins with one
// byte from whoever opened it, so that the other end hears of the stream before anything
// else is sent.
const Protocol = "zocalo/1"

// The defaults of the options: times, and the most streams that a peer may open.
const (
	DefaultIdle      = 30 * time.Second
	DefaultKeepAlive = 15 * time.Second
	DefaultStreams   = 100
	DefaultPeerIdle  = 10 * time.Minute
)

var (
	idleOption = option.New(option.Spec{
		Name: "idle-timeout", Phase: option.Naming, Default: "30s",
		Doc: "how long a connection stays open without a packet from the peer (the shorter of the two sides' times), or without a stream",
	}, codec.AtLeast(codec.Duration, time.Second), nil, nil)
	keepAliveOption = option.New(option.Spec{
		Name: "keepalive", Phase: option.Naming, Default: "15s, at most half of idle-timeout",
		Doc: "how often to send a packet when there is nothing else to send; 0 is never",
	}, codec.Duration, nil, nil)
	alpnOption = option.New(option.Spec{
		Name: "alpn", Phase: option.Naming, Repeatable: true, Default: Protocol,
		Doc: "a protocol to offer or accept, in order of preference; in any but " + Protocol + " nothing announces a stream until something is written to it",
	}, codec.Codec[string]{Placeholder: "PROTOCOL", Parse: parseProtocol, Format: func(s string) string { return s }}, nil, nil)
	earlyOption = option.New(option.Spec{
		Name: "early", Phase: option.Naming, Default: "off",
		Doc: "send, or accept, data ahead of the handshake when a client reconnects (0-RTT): whoever records it can replay it to the server",
	}, codec.Flag, nil, nil)
	streamsOption = option.New(option.Spec{
		Name: "streams", Phase: option.Naming, Only: option.PassiveOnly, Default: "100",
		Doc: "how many streams of one connection a peer may have open",
	}, codec.Between(codec.Integer, 1, 1<<20), nil, nil)
)

var peerIdleOption = option.New(option.Spec{
	Name: "peer-idle", Phase: option.Naming, Only: option.PassiveOnly, Default: "10m",
	Doc: "how long a peer may be connected without a datagram in either direction; 0 is for ever",
}, codec.Duration, nil, nil)

func parseProtocol(text string) (string, error) {
	if text == "" || len(text) > 255 {
		return "", errors.New("it must have 1 to 255 bytes")
	}
	return text, nil
}

func init() {
	stream := newScheme("quic", socket.Stream, "a stream of a QUIC connection, encrypted and authenticated")
	stream.Options = slices.Insert(stream.Options, 3, streamsOption.Spec, earlyOption.Spec)
	dgram := newScheme("quic-dgram", socket.Datagram, "the datagrams of a QUIC connection (RFC 9221), encrypted and authenticated")
	dgram.Options = slices.Insert(dgram.Options, 3, peerIdleOption.Spec)
	dgram.Bind = receives(dgram.Bind)
	socket.Register(&socket.Family{
		Name:       "quic",
		Domains:    map[socket.Domain]string{Domain: "AF_QUIC", Domain6: "AF_QUIC_IPV6"},
		New:        newEndpoint,
		FormatName: func(n socket.Name) string { return n.String() },
		NetAddr:    func(n socket.Name, _ socket.Kind) net.Addr { return net.UDPAddrFromAddrPort(n.AddrPort()) },
		KindName:   kindName,
		Properties: properties,
		Kinds: map[string]socket.Kind{"quic": {Domain: Domain, Type: socket.Stream}, "quic6": {Domain: Domain6, Type: socket.Stream},
			"quic-dgram": {Domain: Domain, Type: socket.Datagram}, "quic-dgram6": {Domain: Domain6, Type: socket.Datagram}},
	})
	scheme.Register(stream)
	scheme.Register(dgram)
}

func kindName(k socket.Kind) string {
	switch {
	case k.Protocol != 0:
		return ""
	case k.Type == socket.Stream:
		return "quic"
	case k.Type == socket.Datagram:
		return "quic-dgram"
	}
	return ""
}

func properties(k socket.Kind) socket.Properties {
	if k.Type == socket.Datagram {
		return socket.Properties{Bounded: true}
	}
	return socket.Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true}
}

func newEndpoint(k socket.Kind) (socket.Endpoint, error) {
	if kindName(k) == "" {
		return nil, &socket.UnsupportedError{Feature: fmt.Sprintf("type %v with protocol %v in domain quic", k.Type, k.Protocol),
			Needs: "stream or datagram, with protocol 0"}
	}
	if k.Type == socket.Datagram {
		return newDatagram(k), nil
	}
	return newStream(k), nil
}

// notOurs are the options of UDP that have no meaning for connections, or that are
// quic-go's to set.
var notOurs = []*option.Spec{
	option.AnyPort.Spec, option.UDPGSO.Spec, option.Broadcast.Spec, option.JoinGroup.Spec, option.MulticastInterface.Spec,
	option.MulticastTTL.Spec, option.MulticastLoop.Spec, option.MulticastAll.Spec, option.ReceivePacketInfo.Spec,
	option.ReceiveHopLimit.Spec, option.ReceiveTrafficClass.Spec, option.Timestamps.Spec, option.MTUDiscovery.Spec,
	option.ReuseAddress.Spec, option.ReusePort.Spec, option.BindAddressNoPort.Spec,
}

// newScheme makes a scheme over that of UDP, whose look-up and options it has.
func newScheme(name string, t socket.Type, doc string) *scheme.Scheme {
	udp, ok := scheme.Lookup("udp")
	if !ok {
		panic("quic: package socket has no scheme udp")
	}
	own := []*option.Spec{idleOption.Spec, keepAliveOption.Spec, alpnOption.Spec}
	s := &scheme.Scheme{
		Name: name, Endpoint: "host:port", Port: true, Doc: doc,
		Domains: []socket.Domain{Domain, Domain6}, Type: t,
		Options: slices.Concat(own, tls.WithinOptions(),
			slices.DeleteFunc(slices.Clone(udp.Options), func(o *option.Spec) bool { return slices.Contains(notOurs, o) })),
		Resolve: udp.Resolve, Source: udp.Source, Follow: udp.Follow,
		Kind: func(_ scheme.Target, n socket.Name) socket.Kind {
			k := socket.Kind{Domain: Domain, Type: t}
			if n.Domain() == socket.Inet6 || n.Domain() == Domain6 {
				k.Domain = Domain6
			}
			return k
		},
		Bind: func(ctx context.Context, t scheme.Target, s *socket.Socket, n socket.Name) error {
			return udp.Bind(ctx, t, s, n)
		},
	}
	s.Prepare = func(t scheme.Target) (*scheme.PreparedScheme, error) { return prepare(s, t) }
	return s
}

// receives makes a socket for datagrams that a listener is bound to take connections: nobody
// listens on one.
func receives(bind func(context.Context, scheme.Target, *socket.Socket, socket.Name) error) func(context.Context, scheme.Target, *socket.Socket, socket.Name) error {
	return func(ctx context.Context, t scheme.Target, s *socket.Socket, n socket.Name) error {
		err := bind(ctx, t, s, n)
		if d, ok := s.Unwrap().(*datagram); ok && err == nil && t.Passive {
			err = d.receive()
		}
		return err
	}
}
