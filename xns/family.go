package xns

import (
	"context"
	"fmt"
	"strings"

	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// Domain is AF_NS. No kernel uses its number: BSD's is 6, which on Linux is
// another domain's.
const Domain socket.Domain = 0x106

// ProtocolSPP is the protocol of stream and seqpacket sockets, NSPROTO_SPP;
// they have it by default.
const ProtocolSPP socket.Protocol = 5

func init() {
	socket.Register(family())
	scheme.Register(schemes()...)
}

func schemes() []*scheme.Scheme {
	newScheme := func(name, doc string, t socket.Type, options []*option.Spec) *scheme.Scheme {
		return &scheme.Scheme{
			Name: name, Endpoint: "net#host#socket", Doc: doc, Domains: []socket.Domain{Domain}, Type: t,
			Options: options, Resolve: resolve,
			Source: func(ctx context.Context, _ scheme.Target, text string) ([]socket.Name, error) {
				return resolve(ctx, scheme.Target{Endpoint: text, Passive: true})
			},
		}
	}
	return []*scheme.Scheme{
		newScheme("spp", "messages over an XNS connection", socket.SeqPacket, seqPacketOptions()),
		newScheme("spp-stream", "a stream over an XNS connection", socket.Stream, streamOptions()),
		newScheme("idp", "XNS datagrams", socket.Datagram, datagramOptions()),
	}
}

func family() *socket.Family {
	return &socket.Family{
		Name:    "ns",
		Domains: map[socket.Domain]string{Domain: "AF_NS"},
		New:     newEndpoint,
		FormatName: func(n socket.Name) string {
			a, _ := AddrOf(n)
			return a.String()
		},
		KindName: func(k socket.Kind) string {
			if !known(k) {
				return ""
			}
			return map[socket.Type]string{socket.Stream: "spp-stream", socket.SeqPacket: "spp", socket.Datagram: "idp"}[k.Type]
		},
		Properties: properties,
		Kinds: map[string]socket.Kind{
			"spp": {Domain: Domain, Type: socket.SeqPacket}, "spp-stream": {Domain: Domain, Type: socket.Stream}, "idp": {Domain: Domain, Type: socket.Datagram},
		},
	}
}

func known(k socket.Kind) bool {
	switch k.Type {
	case socket.Stream, socket.SeqPacket:
		return k.Protocol == 0 || k.Protocol == ProtocolSPP
	case socket.Datagram:
		return k.Protocol == 0
	}
	return false
}

func properties(k socket.Kind) socket.Properties {
	switch {
	case !known(k):
		return socket.Properties{}
	case k.Type == socket.Datagram:
		return socket.Properties{Bounded: true}
	}
	return socket.Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true, Bounded: k.Type.Bounded(), Urgent: 1}
}

func newEndpoint(k socket.Kind) (socket.Endpoint, error) {
	if !known(k) {
		return nil, &socket.UnsupportedError{Feature: fmt.Sprintf("type %v with protocol %v in domain ns", k.Type, k.Protocol),
			Needs: "stream or seqpacket with protocol 0 or 5, or datagram with protocol 0"}
	}
	if k.Type == socket.Datagram {
		return newDatagram(), nil
	}
	return newSPP(k.Type == socket.Stream), nil
}

// resolve reads an address. A listener may leave the host away, which is this
// one, and the socket, which the host then chooses.
func resolve(_ context.Context, t scheme.Target) ([]socket.Name, error) {
	a, err := ParseAddr(t.Endpoint)
	if err != nil {
		return nil, scheme.EndpointErrorf("%v", err)
	}
	switch {
	case t.Endpoint != "" && !strings.ContainsAny(t.Endpoint, "#:."):
		return nil, scheme.EndpointErrorf("%q is only a network: write net#host#socket, or ##%s for socket %s of a listener", t.Endpoint, t.Endpoint, t.Endpoint)
	case !t.Passive && a.Host.IsZero():
		return nil, scheme.EndpointErrorf("%q names no host: write net#host#socket, the way the listener prints it", t.Endpoint)
	case !t.Passive && a.Socket == 0:
		return nil, scheme.EndpointErrorf("%q names no socket: write net#host#socket, such as %s", t.Endpoint, Addr{a.Net, a.Host, 5346})
	}
	return []socket.Name{a.Name()}, nil
}
