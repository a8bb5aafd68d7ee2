package scheme

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
)

func init() { Register(inetSchemes()...) }

func inetSchemes() (all []*Scheme) {
	for _, v := range []struct{ suffix, network, versions string }{
		{"", "ip", ""}, {"4", "ip4", " over IPv4"}, {"6", "ip6", " over IPv6"},
	} {
		r := inetResolver{network: v.network}
		all = append(all,
			r.tcpScheme("tcp"+v.suffix, "TCP, a stream"+v.versions, 0),
			r.scheme("udp"+v.suffix, "UDP, datagrams"+v.versions, socket.Datagram, 0, udpOptions()))
	}
	r := inetResolver{network: "ip"}
	all = append(all,
		r.tcpScheme("mptcp", "Multipath TCP, a stream over several paths (Linux 5.6)", socket.MPTCP))
	for _, v := range []struct{ name, network string }{{"raw", "ip4"}, {"raw6", "ip6"}} {
		r := inetResolver{network: v.network, portless: true}
		s := r.scheme(v.name, "the packets of one IP protocol (needs CAP_NET_RAW)", socket.Raw, 0, rawOptions())
		s.Endpoint = "host"
		s.Kind = rawKind
		all = append(all, s)
	}
	return all
}

// protocolOption chooses the protocol of a raw socket.
var protocolOption = option.New(option.Spec{
	Name: "protocol", Aliases: []string{"proto", "ip-protocol"}, Phase: option.Naming, Default: "icmp",
	Doc: "IP protocol, by number or name",
}, codec.Codec[socket.Protocol]{Placeholder: "PROTOCOL", Parse: parseIPProtocol, Format: socket.Protocol.String}, nil, nil)

func parseIPProtocol(text string) (p socket.Protocol, err error) {
	err = p.UnmarshalText([]byte(text))
	if err == nil && (p < 0 || p > 255) {
		err = fmt.Errorf("%s is not an IP protocol number: they go from 0 to 255", text)
	}
	return p, err
}

func rawKind(t Target, n socket.Name) socket.Kind {
	p, ok := protocolOption.In(t.Settings)
	if !ok {
		p = socket.ICMP
		if n.Domain() == socket.Inet6 {
			p = socket.ICMPv6
		}
	}
	return socket.Kind{Domain: n.Domain(), Type: socket.Raw, Protocol: p}
}

// inetResolver turns endpoints into names of the versions of its network.
type inetResolver struct {
	network  string // "ip", "ip4" or "ip6"
	portless bool   // the endpoint is a host alone
}

func (r inetResolver) scheme(name, doc string, t socket.Type, p socket.Protocol, options []*option.Spec) *Scheme {
	return &Scheme{
		Name: name, Endpoint: "host:port", Port: !r.portless, Doc: doc,
		Domains: r.domains(), Type: t, Protocol: p, Options: options,
		Resolve: r.resolve, Source: r.source, Bind: inetBind, Follow: followPort,
	}
}

func (r inetResolver) tcpScheme(name, doc string, p socket.Protocol) *Scheme {
	s := r.scheme(name, doc, socket.Stream, p, tcpOptions())
	s.Defaults = tcpDefaults()
	return s
}

func (r inetResolver) domains() []socket.Domain {
	switch r.network {
	case "ip4":
		return []socket.Domain{socket.Inet}
	case "ip6":
		return []socket.Domain{socket.Inet6}
	}
	return []socket.Domain{socket.Inet, socket.Inet6}
}

// resolve returns the names of host:port. Without a host that is localhost;
// "any" is every interface, for the passive side alone.
func (r inetResolver) resolve(ctx context.Context, t Target) ([]socket.Name, error) {
	host, port, err := t.Endpoint, "", error(nil)
	if !r.portless {
		if host, port, err = splitHostPort(t.Endpoint); err != nil {
			return nil, err
		}
	}
	number, err := lookupPort(ctx, t.resolver(), port, r.portless, port == t.Endpoint)
	if err != nil {
		return nil, err
	}
	if !t.Passive && (host == "any" || host == "*") {
		return nil, EndpointErrorf("%q means every address, which only a listener can use: name a host to connect to", host)
	}
	if host == "*" {
		return nil, EndpointErrorf("to listen on every address, write any:%s", port)
	}
	if !t.Passive && number == 0 && !r.portless {
		return nil, EndpointErrorf("%q has port 0, which no peer can have: it lets the system choose a listener's port", t.Endpoint)
	}
	addrs, err := r.lookupHost(ctx, t.resolver(), host)
	if err != nil {
		return nil, err
	}
	return namesOf(addrs, number), nil
}

func namesOf(addrs []netip.Addr, port uint16) []socket.Name {
	names := make([]socket.Name, len(addrs))
	for i, a := range addrs {
		names[i] = socket.InetName(netip.AddrPortFrom(a, port))
	}
	return names
}

// lookupHost returns the addresses of a host, as the system's resolver orders
// them. "" is localhost, which has the loopback address of either version
// (RFC 6761 section 6.3).
func (r inetResolver) lookupHost(ctx context.Context, resolver *net.Resolver, host string) ([]netip.Addr, error) {
	var both [2]netip.Addr
	switch host {
	case "", "localhost":
		both = [2]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	case "any":
		both = [2]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	default:
		if a, err := netip.ParseAddr(host); err == nil {
			if r.network == "ip4" && !a.Is4() {
				return nil, EndpointErrorf("%s is an IPv6 address, and the scheme is for IPv4: omit the 4 of its name", host)
			}
			if r.network == "ip6" && !a.Is6() {
				return nil, EndpointErrorf("%s is an IPv4 address, and the scheme is for IPv6: omit the 6 of its name", host)
			}
			if a.Zone() != "" && socket.InetName(netip.AddrPortFrom(a, 0)).AddrPort().Addr().Zone() == "" {
				return nil, fmt.Errorf("%s names no interface of this machine after the %%", host)
			}
			return []netip.Addr{a}, nil
		}
		if err := checkHost(host); err != nil {
			return nil, err
		}
		addrs, err := resolver.LookupNetIP(ctx, r.network, host)
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		return addrs, notFound(err)
	}
	switch {
	case r.network == "ip4":
		return both[:1], nil
	case r.network == "ip6":
		return both[1:], nil
	}
	return both[:], nil
}

// checkHost refuses what no host can be called.
func checkHost(host string) error {
	switch {
	case strings.ContainsAny(host, " \t"):
		return EndpointErrorf("there is a space in the host %q: remove it", host)
	case strings.ContainsAny(host, "/?@=#"):
		return EndpointErrorf("%q is not a host: write only HOST:PORT, without a path or a user", host)
	case strings.Trim(host, "0123456789.") == "":
		return EndpointErrorf("%q is neither an address nor a host: an IPv4 address has four numbers from 0 to 255", host)
	}
	return nil
}

// notFound adds what to do about a host that no name server knows.
func notFound(err error) error {
	var lookup *net.DNSError
	switch {
	case !errors.As(err, &lookup):
		return err
	case lookup.IsNotFound:
		return &socket.HintError{Err: err, Hint: "check its spelling"}
	case lookup.IsTimeout, lookup.IsTemporary:
		return &socket.HintError{Err: err, Hint: "check the network, or give the host's address"}
	}
	return err
}

// lookupPort returns the number of a port or of a service's name. Where the port is the
// whole of an endpoint, what is neither was meant for a host.
func lookupPort(ctx context.Context, resolver *net.Resolver, port string, portless, whole bool) (uint16, error) {
	if portless {
		return 0, nil
	}
	if n, err := strconv.ParseUint(port, 10, 64); err == nil {
		if n > 65535 {
			return 0, EndpointErrorf("port %s is out of range: ports go from 0 to 65535", port)
		}
		return uint16(n), nil
	}
	n, err := resolver.LookupPort(ctx, "ip", port)
	if err != nil || strings.TrimSpace(port) != port {
		if whole {
			return 0, EndpointErrorf("the port is missing: write %s:PORT", port)
		}
		return 0, EndpointErrorf("port %q is neither a number up to 65535 nor a service that this system knows", port)
	}
	return uint16(n), nil
}

// source returns the names that bind= means: host, host:port or :port. What
// is an address as a whole has no port.
func (r inetResolver) source(ctx context.Context, t Target, text string) ([]socket.Name, error) {
	host, port := text, "0"
	if _, err := netip.ParseAddr(text); err != nil && !r.portless {
		if h, p, err := splitHostPort(text); err == nil && (h != "" || text[0] == ':') {
			host, port = h, p
		}
	}
	if host == "" {
		host = "any"
	}
	number, err := lookupPort(ctx, t.resolver(), port, false, false)
	if err != nil {
		return nil, err
	}
	addrs, err := r.lookupHost(ctx, t.resolver(), host)
	if err != nil {
		if i, none := net.InterfaceByName(host); none == nil {
			return nil, EndpointErrorf("that is an interface: write %s=%s, or give one of its addresses", option.Device.Name, i.Name)
		}
		return nil, err
	}
	return namesOf(addrs, number), nil
}

// inetBind binds with one IP version to a socket, so that a listener on both
// has two: a socket on :: would take IPv4 too, and the name of the peers with
// it.
func inetBind(_ context.Context, t Target, s *socket.Socket, n socket.Name) error {
	if _, given := option.V6Only.In(t.Settings); n.Domain() == socket.Inet6 && !given && t.Passive && n.AddrPort().Addr().IsUnspecified() {
		if err := option.V6Only.Set(s, true); err != nil {
			return err
		}
	}
	err := s.Bind(n)
	port := n.AddrPort().Port()
	switch {
	case errors.Is(err, syscall.EACCES) && port > 0 && port < 1024:
		return &socket.HintError{Err: err, Hint: "a port below 1024 is reserved: choose one from 1024 up, or run with the capability CAP_NET_BIND_SERVICE"}
	case errors.Is(err, syscall.EADDRINUSE) && !t.Passive:
		return &socket.HintError{Err: err, Hint: fmt.Sprintf("source port %d is in use, or still in TIME_WAIT: choose another, add %s, or omit bind=", port, option.ReuseAddress.Name)}
	case errors.Is(err, syscall.EADDRINUSE):
		return &socket.HintError{Err: err, Hint: fmt.Sprintf("port %d is in use: choose another, or 0 to let the system choose", port)}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &socket.HintError{Err: err, Hint: "no interface of this machine has the address"}
	}
	return err
}

// followPort gives a name the port that the system chose for the first, where
// both let it choose.
func followPort(name, first socket.Name) socket.Name {
	own := name.AddrPort()
	if own.Port() != 0 {
		return name
	}
	return socket.InetName(netip.AddrPortFrom(own.Addr(), first.AddrPort().Port()))
}
