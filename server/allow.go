package server

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"zocalo/socket"
)

// A List is a set of peers, to be allowed or denied.
type List struct {
	words    []string
	prefixes []netip.Prefix
	uids     []int
	gids     []int
}

// ParseList makes a list of words, each of which is one of
//
//	10.0.0.0/8, fd00::/8   the internet addresses with that prefix
//	127.0.0.1, ::1         that address
//	uid:1000, gid:100      programs of that user, or primary group, over unix sockets
//
// A prefix with bits set beyond its length is refused, as a likely mistake. An
// IPv4 peer that an IPv6 socket shows as ::ffff:a.b.c.d is taken for
// a.b.c.d; ::/0 therefore holds IPv6 peers only. Zones (fe80::1%eth0) are
// refused, and those of peers passed over. No words make a list without peers.
func ParseList(words []string) (*List, error) {
	l := &List{words: slices.Clone(words)}
	for _, w := range words {
		if err := l.add(w); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *List) add(word string) error {
	for prefix, ids := range map[string]*[]int{"uid:": &l.uids, "gid:": &l.gids} {
		digits, ok := strings.CutPrefix(word, prefix)
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return fmt.Errorf("%q does not have a number after %s", word, prefix)
		}
		*ids = append(*ids, int(id))
		return nil
	}
	p, err := parsePrefix(word)
	if err != nil {
		return err
	}
	l.prefixes = append(l.prefixes, p)
	return nil
}

func parsePrefix(word string) (netip.Prefix, error) {
	malformed := fmt.Errorf("%q is none of an address (10.0.0.1, ::1), a prefix (10.0.0.0/8), uid:NUMBER and gid:NUMBER", word)
	if !strings.Contains(word, "/") {
		a, err := netip.ParseAddr(word)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, malformed
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(word)
	if err != nil {
		return netip.Prefix{}, malformed
	}
	if masked := p.Masked(); masked != p {
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its prefix: write %v for all of the network, or %v for the one address", word, masked, p.Addr())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p, nil
}

// Useless returns the first word that no peer of sockets of these kinds can
// match, "" if each may match one: users and groups are known of connections
// over unix sockets alone, and those have no internet addresses.
func (l *List) Useless(kinds ...socket.Kind) string {
	processes, addresses := false, false
	for _, k := range kinds {
		if k.Domain != socket.Unix {
			addresses = true
		} else if k.Type != socket.Datagram {
			processes = true
		}
	}
	for _, w := range l.words {
		ofProcess := strings.HasPrefix(w, "uid:") || strings.HasPrefix(w, "gid:")
		if ofProcess && !processes || !ofProcess && !addresses {
			return w
		}
	}
	return ""
}

// String returns the words that the list was made of.
func (l *List) String() string { return strings.Join(l.words, " ") }

// Contains reports whether an internet name's address is in the list. Other
// names are not: of a unix peer, the list knows the user and not the name.
func (l *List) Contains(n socket.Name) bool {
	ap := n.AddrPort()
	if !ap.IsValid() {
		return false
	}
	a := ap.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ContainsPeer reports whether the peer of a connected socket is in the list:
// by the internet address of it or, in domains that are layered over the
// Internet, of the connection beneath; over a unix socket, by its credentials
// as the system vouches for them. A peer that has neither, as over vsock, is
// in no list: Allow turns it away, and Deny does not.
func (l *List) ContainsPeer(c *socket.Socket) bool {
	for e := socket.Endpoint(c); ; {
		if peer := e.Peer(); peer.AddrPort().IsValid() {
			return l.Contains(peer)
		}
		layer, ok := socket.As[socket.Layer](e)
		if !ok {
			break
		}
		e = layer.Lower()
	}
	if c.Domain() != socket.Unix || len(l.uids)+len(l.gids) == 0 {
		return false
	}
	who, err := socket.PeerCredentials.Get(c.Unwrap())
	return err == nil && l.containsProcess(who)
}

func (l *List) containsProcess(who socket.Credentials) bool {
	return slices.Contains(l.uids, who.UID) || slices.Contains(l.gids, who.GID)
}
