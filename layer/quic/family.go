package quic

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"zocalo/layer/tls"
	"zocalo/socket"
)

// The domains: QUIC over IPv4, and over IPv6. Names are those of the Internet.
const (
	Domain  socket.Domain = 0x109
	Domain6 socket.Domain = 0x10a
)

// Protocol is what an address speaks that has no alpn=. In it each stream begins with
// one byte of who opened it, so that the other hears of the stream before anything
// else is said.
const Protocol = "zocalo/1"

// The defaults of the options, and the most streams that a peer may open by default.
const (
	DefaultIdle      = 30 * time.Second
	DefaultKeepAlive = 15 * time.Second
	DefaultStreams   = 100
)

var (
	idleOption = socket.NewOption(socket.Spec{
		Name: "idle-timeout", Phase: socket.Naming, Default: "30s",
		Doc: "how long a connection lasts without a packet from the peer, the lesser of both sides; and without a stream",
	}, socket.AtLeast(socket.Duration, time.Second), nil, nil)
	keepAliveOption = socket.NewOption(socket.Spec{
		Name: "keepalive", Phase: socket.Naming, Default: "15s, at most half of idle-timeout",
		Doc: "how often to send a packet where there is nothing else to send; 0 for never",
	}, socket.Duration, nil, nil)
	streamsOption = socket.NewOption(socket.Spec{
		Name: "streams", Phase: socket.Naming, Only: socket.PassiveOnly, Default: "100",
		Doc: "how many streams of one connection a peer may have open",
	}, socket.Between(socket.Integer, 1, 1<<20), nil, nil)
)

func init() {
	stream := scheme("quic", socket.Stream, "a stream of a QUIC connection, encrypted and authenticated")
	stream.Options = slices.Insert(stream.Options, 2, streamsOption.Spec)
	socket.Register(&socket.Family{
		Name:       "quic",
		Domains:    []socket.DomainConstant{{Domain: Domain, Constant: "AF_QUIC"}, {Domain: Domain6, Constant: "AF_QUIC_IPV6"}},
		New:        newEndpoint,
		FormatName: func(n socket.Name) string { return n.String() },
		NetAddr:    func(n socket.Name, _ socket.Kind) net.Addr { return net.UDPAddrFromAddrPort(n.AddrPort()) },
		KindName:   kindName,
		Properties: properties,
		Schemes:    []*socket.Scheme{stream},
	})
}

func kindName(k socket.Kind) string {
	switch {
	case k.Protocol != 0:
		return ""
	case k.Type == socket.Stream:
		return "quic"
	}
	return ""
}

func properties(k socket.Kind) socket.Properties {
	return socket.Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true}
}

func newEndpoint(k socket.Kind) (socket.Endpoint, error) {
	if kindName(k) == "" {
		return nil, &socket.UnsupportedError{Feature: fmt.Sprintf("type %v with protocol %v in domain quic", k.Type, k.Protocol),
			Needs: "stream, with protocol 0"}
	}
	return newStream(k), nil
}

// notOurs are the options of UDP that have no meaning for connections, or that are
// quic-go's to set.
var notOurs = []*socket.Spec{
	socket.AnyPort.Spec, socket.SegmentDatagrams.Spec, socket.Broadcast.Spec, socket.JoinGroup.Spec, socket.MulticastInterface.Spec,
	socket.MulticastTTL.Spec, socket.MulticastLoop.Spec, socket.MulticastAll.Spec, socket.ReceivePacketInfo.Spec,
	socket.ReceiveHopLimit.Spec, socket.ReceiveTrafficClass.Spec, socket.Timestamps.Spec, socket.MTUDiscovery.Spec,
	socket.ReuseAddress.Spec, socket.ReusePort.Spec, socket.BindAddressNoPort.Spec,
}

// scheme makes a scheme over that of UDP, whose look-up and options it has.
func scheme(name string, t socket.Type, doc string) *socket.Scheme {
	udp, ok := socket.LookupScheme("udp")
	if !ok {
		panic("quic: package socket has no scheme udp")
	}
	own := []*socket.Spec{idleOption.Spec, keepAliveOption.Spec}
	s := &socket.Scheme{
		Name: name, Endpoint: "host:port", Port: true, Doc: doc,
		Domains: []socket.Domain{Domain, Domain6}, Type: t,
		Options: slices.Concat(own, tls.WithinOptions(),
			slices.DeleteFunc(slices.Clone(udp.Options), func(o *socket.Spec) bool { return slices.Contains(notOurs, o) })),
		Resolve: udp.Resolve, Source: udp.Source, Follow: udp.Follow,
		Kind: func(_ socket.Target, n socket.Name) socket.Kind {
			k := socket.Kind{Domain: Domain, Type: t}
			if n.Domain() == socket.Inet6 || n.Domain() == Domain6 {
				k.Domain = Domain6
			}
			return k
		},
		Bind: func(ctx context.Context, t socket.Target, s *socket.Socket, n socket.Name) error {
			return udp.Bind(ctx, t, s, n)
		},
	}
	s.Prepare = func(t socket.Target) (*socket.PreparedScheme, error) { return prepare(s, t) }
	return s
}
