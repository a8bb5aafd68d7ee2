package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"zocalo/codec"
	"zocalo/socket"
)

// A Rule is a set of destinations: addresses or names, at some ports.
type Rule struct {
	text        string
	prefix      netip.Prefix // if valid, else name
	name        string       // in lower case, "*.lab" for all in lab; "" for any
	first, last uint16       // ports
}

// ParseRule reads one of
//
//	10.0.0.0/8  [fd00::/8]  192.0.2.1    addresses
//	db.example  *.example                names as requested; * is any
//
// optionally with a port or ports, as *.example:443 or 10.0.0.0/8:8000-8999.
func ParseRule(text string) (r Rule, err error) {
	r = Rule{text: text, last: 1<<16 - 1}
	host, ports, ported := text, "", false
	switch inner, rest, bracketed := strings.Cut(strings.TrimPrefix(text, "["), "]"); {
	case strings.HasPrefix(text, "[") && bracketed && (rest == "" || rest[0] == ':'):
		host, ports, ported = inner, strings.TrimPrefix(rest, ":"), rest != ""
	case strings.Count(text, ":") == 1:
		host, ports, ported = strings.Cut(text, ":")
	}
	if ported {
		if r.first, r.last, err = parsePorts(ports); err != nil {
			return r, err
		}
	}
	if r.prefix, err = codec.ParseNetwork(host); !errors.Is(err, codec.ErrNoNetwork) {
		return r, err
	}
	r.prefix = netip.Prefix{}
	r.name = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "*" {
		r.name = ""
	}
	bare := strings.TrimPrefix(r.name, "*.")
	if host == "" && !ported || bare != "" && (Destination{Host: bare}).Check() != nil || r.name == "*" {
		return r, fmt.Errorf("%q must be an address, a prefix (10.0.0.0/8, [fd00::/8]) or a name (db, *.example), optionally with :PORT or :PORT-PORT", text)
	}
	return r, nil
}

func parsePorts(text string) (first, last uint16, err error) {
	one, two, several := strings.Cut(text, "-")
	if !several {
		two = one
	}
	a, err := strconv.ParseUint(one, 10, 16)
	b, err2 := strconv.ParseUint(two, 10, 16)
	if err != nil || err2 != nil || a > b {
		return 0, 0, fmt.Errorf("%q must be a port or ports, such as 443 or 8000-8999", text)
	}
	return uint16(a), uint16(b), nil
}

// has reports whether a host that resolved to a is in the set.
func (r Rule) has(host string, a netip.AddrPort) bool {
	if a.Port() < r.first || a.Port() > r.last {
		return false
	}
	if r.prefix.IsValid() {
		return r.prefix.Contains(a.Addr())
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if domain, all := strings.CutPrefix(r.name, "*"); all {
		return strings.HasSuffix(host, domain) && host != domain
	}
	return r.name == "" || r.name == host
}

// Rules say where the peers of a proxy may connect to.
type Rules struct{ Allow, Deny []Rule }

// Permit says why a peer may not connect to n, to which the requested host resolved.
func (rs Rules) Permit(host string, n socket.Name) error {
	ap := n.AddrPort()
	a := ap.Addr().Unmap().WithZone("")
	ap = netip.AddrPortFrom(a, ap.Port())
	has := func(r Rule) bool { return r.has(host, ap) }
	if i := slices.IndexFunc(rs.Deny, has); i >= 0 {
		return &NotPermittedError{host, ap, "deny-to=" + rs.Deny[i].text + " forbids it"}
	}
	if what := special(a); what != "" {
		// A rule must mean these addresses, and not include them by being wide.
		if !slices.ContainsFunc(rs.Allow, func(r Rule) bool {
			return has(r) && r.prefix.IsValid() && special(r.prefix.Addr()) == what && r.prefix.Bits() >= 4
		}) {
			return &NotPermittedError{host, ap, fmt.Sprintf("it is %s, which takes allow-to=%v", what, a)}
		}
		return nil
	}
	if len(rs.Allow) > 0 && !slices.ContainsFunc(rs.Allow, has) {
		return &NotPermittedError{host, ap, "no allow-to= covers it"}
	}
	return nil
}

// special names what an address is if it means something else on each machine, or is not
// one host; "" otherwise.
func special(a netip.Addr) string {
	switch {
	case a.IsLinkLocalUnicast():
		return "a link-local address"
	case a.IsMulticast():
		return "a multicast address"
	case a.IsUnspecified():
		return "the unspecified address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "a broadcast address"
	}
	return ""
}

// A NotPermittedError refuses a destination by the rules.
type NotPermittedError struct {
	Host string
	Addr netip.AddrPort
	Why  string
}

func (e *NotPermittedError) Error() string {
	at := e.Addr.String()
	if host := (Destination{e.Host, e.Addr.Port()}).String(); host != at {
		at = host + " (" + e.Addr.Addr().String() + ")"
	}
	return at + " is not permitted: " + e.Why
}

// Unwrap returns EACCES.
func (e *NotPermittedError) Unwrap() error { return syscall.EACCES }
