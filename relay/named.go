package relay

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// TakesNames reports whether peers that come to an address say which name they want,
// so that [ByName] can choose by it: those of a TLS server, or of one that a layer
// takes a request from, as sni-listen:443 and socks-listen:1080.
func TakesNames(from address.Address) bool {
	return from.Passive(false) && slices.ContainsFunc(from.Scheme.Layers, func(l *scheme.Layer) bool { return l.Requests || l.Names })
}

// anyName is the name of an address for the peers that no other is for.
const anyName = "default"

// ByName makes a [Hooks] Route that chooses among the addresses of To, of which the
// names are given in their order, by what the peer asks for: NAME, *.DOMAIN for all
// names below, * for every name, or default for every peer; each with /PROTOCOL for
// those that offer that by ALPN. The most special one counts, and its addresses are
// tried in turn where several have it.
func ByName(names []string) func(context.Context, *Peer, []address.Address) ([]address.Address, error) {
	var patterns []namePattern
	for _, n := range names {
		patterns = append(patterns, newPattern(n))
	}
	return func(_ context.Context, p *Peer, to []address.Address) (chosen []address.Address, err error) {
		name, protocols := wanted(p.Socket)
		best := 0
		for i, pattern := range patterns[:min(len(patterns), len(to))] {
			fit := pattern.fits(name, protocols)
			if fit > best {
				best, chosen = fit, nil
			}
			if fit > 0 && fit == best {
				chosen = append(chosen, to[i])
			}
		}
		if best == 0 {
			return nil, unservedError{name, protocols}
		}
		return chosen, nil
	}
}

// An unservedError is of a peer that asks for what no address is for.
type unservedError struct {
	name      string
	protocols []string
}

func (e unservedError) Error() string {
	what := "a peer without a name"
	if e.name != "" {
		what = fmt.Sprintf("%q", e.name)
	}
	if len(e.protocols) > 0 {
		what += fmt.Sprintf(" (ALPN %q)", e.protocols)
	}
	return what + " is served by no TO: NAME=ADDRESS or default=ADDRESS adds one"
}

func (e unservedError) Unwrap() error { return syscall.EACCES }

// A namePattern is what an address is for.
type namePattern struct {
	name     string // without its "*."
	below    bool   // names below it; of all names where it is ""
	protocol string // "" for any
}

func newPattern(text string) namePattern {
	var p namePattern
	p.name, p.protocol, _ = strings.Cut(text, "/")
	p.name = strings.ToLower(strings.TrimSuffix(p.name, "."))
	if p.name == "*" {
		p.name = "*."
	}
	p.name, p.below = strings.CutPrefix(p.name, "*.")
	return p
}

// fits says how special the pattern is among those that fit, 0 if it does not.
func (p namePattern) fits(name string, protocols []string) (special int) {
	const exact = 1 << 20
	switch {
	case p.protocol != "" && !slices.Contains(protocols, p.protocol):
		return 0
	case p.below && name != "" && (p.name == "" || strings.HasSuffix(name, "."+p.name)):
		special = 4 + 2*len(p.name)
	case !p.below && p.name == name:
		special = exact
	case !p.below && p.name == anyName:
		special = 2
	default:
		return 0
	}
	if p.protocol != "" {
		special++
	}
	return special
}

// wanted returns the name that a peer asks for, "" for none, and the protocols that it
// offers.
func wanted(s *socket.Socket) (name string, protocols []string) {
	if s == nil {
		return "", nil
	}
	for _, f := range s.Facts() {
		switch {
		case f.Name == "sni" && name == "":
			name = f.Value
		case f.Name == "alpn":
			protocols = append(protocols, f.Value)
		}
	}
	if q, ok := socket.As[socket.Requester](s); ok && name == "" {
		name, _, _ = net.SplitHostPort(q.Requested().Target)
	}
	return strings.ToLower(strings.TrimSuffix(name, ".")), protocols
}
