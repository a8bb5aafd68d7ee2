package iso

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

func init() {
	socket.Register(family())
	scheme.Register(schemes()...)
}

func schemes() []*scheme.Scheme {
	seqpacket := newScheme("iso", "tcp", socket.SeqPacket, "ISO transport over TCP (RFC 1006), messages: S7, MMS, ICCP")
	stream := newScheme("iso-stream", "tcp", socket.Stream, "ISO transport over TCP (RFC 1006), as a stream of bytes")
	dgram := newScheme("iso-dgram", "udp", socket.Datagram, "connectionless ISO transport over UDP (ISO 8602), datagrams")
	seqpacket.Aliases = []string{"iso-seqpacket", "cotp"}
	dgram.Aliases = []string{"cltp"}
	return []*scheme.Scheme{seqpacket, stream, dgram}
}

func family() *socket.Family {
	return &socket.Family{
		Name:       "iso",
		Domains:    map[socket.Domain]string{Domain: "AF_ISO", Domain6: "AF_ISO_IPV6"},
		New:        newEndpoint,
		FormatName: formatName,
		KindName:   kindName,
		Properties: properties,
		Kinds: map[string]socket.Kind{
			"iso": {Domain: Domain, Type: socket.SeqPacket}, "iso6": {Domain: Domain6, Type: socket.SeqPacket},
			"iso-stream": {Domain: Domain, Type: socket.Stream}, "iso-stream6": {Domain: Domain6, Type: socket.Stream},
			"iso-dgram": {Domain: Domain, Type: socket.Datagram}, "iso-dgram6": {Domain: Domain6, Type: socket.Datagram},
		},
	}
}

func kindName(k socket.Kind) string {
	if k.Protocol != 0 {
		return ""
	}
	switch k.Type {
	case socket.SeqPacket:
		return "iso"
	case socket.Stream:
		return "iso-stream"
	case socket.Datagram:
		return "iso-dgram"
	}
	return ""
}

// properties are those of a kind; a connection's Promiser says whether it has
// urgent data.
func properties(k socket.Kind) socket.Properties {
	switch k.Type {
	case socket.SeqPacket, socket.Stream:
		return socket.Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true, Bounded: k.Type.Bounded()}
	}
	return socket.Properties{Bounded: k.Type.Bounded()}
}

func newEndpoint(k socket.Kind) (socket.Endpoint, error) {
	if kindName(k) == "" {
		return nil, &socket.UnsupportedError{Feature: fmt.Sprintf("type %v with protocol %v in domain iso", k.Type, k.Protocol),
			Needs: "seqpacket, stream or datagram, with protocol 0"}
	}
	lower := socket.Kind{Domain: socket.Inet, Type: socket.Stream}
	if k.Domain == Domain6 {
		lower.Domain = socket.Inet6
	}
	if k.Type == socket.Datagram {
		lower.Type = socket.Datagram
	}
	s, err := socket.New(lower.Domain, lower.Type, 0)
	if err != nil {
		return nil, err
	}
	if k.Type == socket.Datagram {
		return newDatagram(s), nil
	}
	if err := option.NoDelay.Set(s, true); err != nil { // RFC 2126, section 6.2
		s.Close()
		return nil, err
	}
	c := newConnection(s, k.Type == socket.Stream)
	c.over6 = k.Domain == Domain6
	return c, nil
}

// scheme makes a scheme over that of TCP or UDP, whose look-up and options it
// has.
func newScheme(name, lower string, t socket.Type, doc string) *scheme.Scheme {
	own := connectionOptions()
	if t == socket.Datagram {
		own = datagramOptions()
	}
	under, ok := scheme.Lookup(lower)
	if !ok {
		panic("iso: package socket has no scheme " + lower)
	}
	return &scheme.Scheme{
		Name: name, Endpoint: "host[:102]", Doc: doc,
		Domains: []socket.Domain{Domain, Domain6}, Type: t,
		Options:  append(own, lowerOptions(under)...),
		Defaults: under.Defaults,
		Resolve:  func(ctx context.Context, t scheme.Target) ([]socket.Name, error) { return resolve(ctx, under, t) },
		Source: func(ctx context.Context, t scheme.Target, text string) ([]socket.Name, error) {
			return source(ctx, under, t, text)
		},
		Bind: bind, Follow: follow,
	}
}

// lowerOptions returns the options of the transport beneath, but for that on
// urgent data, of which this domain has its own.
func lowerOptions(under *scheme.Scheme) []*option.Spec {
	return slices.DeleteFunc(slices.Clone(under.Options), func(o *option.Spec) bool { return o == option.OOBInline.Spec })
}

// resolve leaves address and port to the scheme beneath, and adds the
// selector.
func resolve(ctx context.Context, under *scheme.Scheme, t scheme.Target) ([]socket.Name, error) {
	s, _ := CalledSelector.In(t.Settings)
	t.Endpoint = withPort(t.Endpoint)
	found, err := under.Resolve(ctx, t)
	if err != nil {
		return nil, err
	}
	return uppers(found, s), nil
}

func source(ctx context.Context, under *scheme.Scheme, t scheme.Target, text string) ([]socket.Name, error) {
	found, err := under.Source(ctx, t, text)
	if err != nil {
		return nil, err
	}
	s, _ := CallingSelector.In(t.Settings)
	return uppers(found, s), nil
}

func uppers(lower []socket.Name, s Selector) []socket.Name {
	names := make([]socket.Name, len(lower))
	for i, n := range lower {
		names[i] = upper(n, s)
	}
	return names
}

// withPort adds the port 102 to an endpoint that has none. A number alone is a
// port, as it is of the schemes beneath.
func withPort(endpoint string) string {
	port := ":" + strconv.Itoa(DefaultPort)
	if a, err := netip.ParseAddr(endpoint); err == nil && a.Is6() {
		return "[" + endpoint + "]" + port
	}
	_, err := strconv.ParseUint(endpoint, 10, 64)
	switch {
	case err == nil:
		return endpoint
	case strings.HasPrefix(endpoint, "[") && strings.HasSuffix(endpoint, "]"), !strings.Contains(endpoint, ":"):
		return endpoint + port
	}
	return endpoint
}

// bind gives a listener its name, with advice where that fails.
func bind(_ context.Context, t scheme.Target, s *socket.Socket, n socket.Name) error {
	at := AddrPort(n)
	if _, given := option.V6Only.In(t.Settings); n.Domain() == Domain6 && !given && t.Passive && at.Addr().IsUnspecified() {
		if err := option.V6Only.Set(s, true); err != nil {
			return err
		}
	}
	err := s.Bind(n)
	var already *socket.HintError
	switch {
	case err == nil || errors.As(err, &already):
	case errors.Is(err, syscall.EACCES) && at.Port() > 0 && at.Port() < 1024:
		return &socket.HintError{Err: err, Hint: fmt.Sprintf(
			"port %d is reserved: run with the capability CAP_NET_BIND_SERVICE, or listen on a port from 1024 up and redirect port %[1]d to it", at.Port())}
	case errors.Is(err, syscall.EADDRINUSE):
		return &socket.HintError{Err: err, Hint: fmt.Sprintf(
			"port %d is in use by another program: stop it, or choose another port; only listeners of one program share a port by their selectors", at.Port())}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &socket.HintError{Err: err, Hint: "no interface of this machine has the address"}
	}
	return err
}

// follow gives a name the port that the system chose for the first.
func follow(name, first socket.Name) socket.Name {
	at := AddrPort(name)
	if at.Port() != 0 {
		return name
	}
	n, err := MakeName(netip.AddrPortFrom(at.Addr(), AddrPort(first).Port()), SelectorOf(name))
	if err != nil {
		return name
	}
	return n
}
