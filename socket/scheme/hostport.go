package scheme

import (
	"net/netip"
	"strings"
)

// splitHostPort parts the endpoint of an internet scheme: "port", "host:port",
// ":port", "v6address:port" or "[v6address]:port". The last colon parts host
// and port, so brackets are never needed; within them, and where the host has
// a colon, only an IPv6 address may stand, with or without a zone. Neither
// part is looked up: the port may be a number or a service's name, the host a
// name, an address or "any"; it is "" where none is given.
func splitHostPort(endpoint string) (host, port string, err error) {
	bad := func(format string, args ...any) (string, string, error) {
		return "", "", EndpointErrorf("endpoint %.40q: "+format, append([]any{endpoint}, args...)...)
	}
	const noPort = "no port: write host:port"

	var rest string
	bracketed := strings.HasPrefix(endpoint, "[")
	if bracketed {
		var closed bool
		host, rest, closed = strings.Cut(endpoint[1:], "]")
		switch {
		case !closed:
			return bad("no closing bracket: write [address]:port")
		case rest == "":
			return bad(noPort)
		case rest[0] != ':':
			return bad("%.40q after the bracket: write [address]:port", rest)
		}
		port = rest[1:]
	} else if i := strings.LastIndexByte(endpoint, ':'); i >= 0 {
		host, port = endpoint[:i], endpoint[i+1:]
	} else {
		port = endpoint
		if strings.ContainsRune(port, '.') { // which no service's name contains (RFC 6335, 5.1)
			return bad(noPort)
		}
	}

	switch {
	case !bracketed && !isIPv6(host) && isIPv6(endpoint):
		return bad("no port: write [address]:port")
	case port == "":
		return bad(noPort)
	case strings.ContainsAny(port, ":[]"):
		return bad("port %.40q is neither a number nor a service: write [address]:port", port)
	case !bracketed && strings.ContainsAny(host, "[]"):
		return bad("a bracket inside the host: write [address]:port")
	case !bracketed && strings.Contains(host, ":") && !isIPv6(host) && strings.Trim(host, "0123456789abcdefABCDEF:.%") != "":
		return bad("more than one colon after %.40q: write HOST:PORT, or [ADDRESS]:PORT for IPv6", host[:strings.IndexByte(host, ':')])
	case (bracketed || strings.Contains(host, ":")) && !isIPv6(host):
		return bad("host %.40q is not an IPv6 address", host)
	}
	return host, port, nil
}

// isIPv6 reports whether text is an IPv6 address, whose zone, if any, has
// nothing that parts hosts from ports.
func isIPv6(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && a.Is6() && !strings.ContainsAny(a.Zone(), ":[]")
}
