package server

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A List is a set of peers, to be allowed or denied.
type List struct {
	words    []string
	prefixes []netip.Prefix
	uids     []int
	gids     []int
	certs    []string
}

// ParseList makes a list of words, each of which is one of
//
//	10.0.0.0/8, fd00::/8   the internet addresses with that prefix
//	127.0.0.1, ::1         that address
//	uid:1000, gid:100      programs of that user, or primary group, over unix sockets
//	cert:NAME              who has proved that name by a certificate, as clients of TLS do
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
	if name, ok := strings.CutPrefix(word, certWord); ok {
		if name == "" {
			return fmt.Errorf("%q does not have a name after %s", word, certWord)
		}
		l.certs = append(l.certs, name)
		return nil
	}
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
	p, err := codec.ParseNetwork(word)
	if errors.Is(err, codec.ErrNoNetwork) {
		err = fmt.Errorf("%q must be an address (10.0.0.1, ::1), a prefix (10.0.0.0/8), uid:NUMBER, gid:NUMBER or cert:NAME", word)
	}
	if err != nil {
		return err
	}
	l.prefixes = append(l.prefixes, p)
	return nil
}

// certWord begins a word that is the name of a certificate.
const certWord = "cert:"

// A ListError refuses a list that cannot do its work where it is to.
type ListError struct {
	List    string // "allow" or "deny"
	Words   string // of the list: those that cannot
	Problem string
}

// Error says which words, why, and what to do.
func (e *ListError) Error() string { return e.List + " " + e.Words + ": " + e.Problem }

// Lists are whom to serve: every peer that is in Allow, where that is not nil, and not
// in Deny. Deny wins. A [Server] and [Sessions] apply theirs by themselves.
type Lists struct{ Allow, Deny *List }

// Check refuses lists that cannot do their work for whoever comes to these sockets,
// which are bound: with a word that can match nobody at any of them, or without one
// that can match somebody at each. Whoever writes a list counts on it.
func (ls Lists) Check(sockets ...*socket.Socket) error {
	for _, l := range ls.named() {
		for _, w := range l.words {
			if !slices.ContainsFunc(sockets, func(s *socket.Socket) bool { return canMatch(w, s) }) {
				return &ListError{l.name, w, "it can match nobody here: uid: and gid: are for connections over unix sockets, cert: for TLS with client-ca=, addresses for what the Internet carries"}
			}
		}
	}
	return ls.Apply(sockets...)
}

// Apply is the second half of Check, which a server does by itself:
// where no word can match, a list would let everybody in, or nobody.
func (ls Lists) Apply(sockets ...*socket.Socket) error {
	for _, l := range ls.named() {
		for _, s := range sockets {
			if !slices.ContainsFunc(l.words, func(w string) bool { return canMatch(w, s) }) {
				return &ListError{l.name, l.String(), fmt.Sprintf(
					"it cannot apply to %v, whose peers it cannot match: omit it, or serve that address separately", describe(s))}
			}
		}
	}
	return nil
}

// Refuses says why the peer of a connected socket is to be turned away, "" if it is
// not.
func (ls Lists) Refuses(c *socket.Socket) (why string) {
	return ls.refuse(func(l *List) bool { return l.ContainsPeer(c) })
}

// RefusesName is Refuses of a peer of which only that is known: its name,
// and over a unix socket the process that it is.
func (ls Lists) RefusesName(n socket.Name, who *socket.Credentials) (why string) {
	return ls.refuse(func(l *List) bool { return l.Contains(n) || who != nil && l.containsProcess(*who) })
}

// RefusesSender is Refuses of whoever sent a message.
func (ls Lists) RefusesSender(m *socket.Message) (why string) {
	return ls.refuse(func(l *List) bool { return l.ContainsSender(m) })
}

// refuse says why a peer is turned away, "" if it is not. has reports whether
// it is in a list.
func (ls Lists) refuse(has func(*List) bool) string {
	switch {
	case ls.Deny != nil && has(ls.Deny):
		return "it is denied"
	case ls.Allow != nil && !has(ls.Allow):
		return "it is not on the allow list"
	}
	return ""
}

type namedList struct {
	name string
	*List
}

// named returns the lists that have words.
func (ls Lists) named() (lists []namedList) {
	for _, l := range []namedList{{"allow", ls.Allow}, {"deny", ls.Deny}} {
		if l.List != nil && len(l.words) > 0 {
			lists = append(lists, l)
		}
	}
	return lists
}

func describe(s *socket.Socket) string { return s.Kind().String() + ":" + s.Name().String() }

// canMatch reports whether a word can match who comes to a socket: users and
// groups are known of connections over unix sockets alone, certificates of those
// with layers, addresses of what the Internet carries.
func canMatch(word string, s *socket.Socket) bool {
	if strings.HasPrefix(word, certWord) {
		if p, ok := socket.As[socket.NameProver](s); ok {
			return p.ProvesNames()
		}
		return s.Kind().Layers != ""
	}
	if strings.HasPrefix(word, "uid:") || strings.HasPrefix(word, "gid:") {
		return s.Domain() == socket.Unix && s.Type() != socket.Datagram
	}
	own, _ := s.Internet()
	return own.IsValid() || s.Kind().Renames()
}

// SocketsOf returns the sockets of a listener, as far as it shows them.
func SocketsOf(l Listener) []*socket.Socket {
	switch l := l.(type) {
	case *socket.Socket:
		return []*socket.Socket{l}
	case interface{ Sockets() []*socket.Socket }:
		return l.Sockets()
	}
	return nil
}

// String returns the words that the list was made of.
func (l *List) String() string { return strings.Join(l.words, " ") }

// Contains reports whether an internet name's address is in the list. Other
// names are not: of a unix peer, the list knows the user and not the name.
func (l *List) Contains(n socket.Name) bool { return l.containsAddr(n.AddrPort()) }

// ContainsSender is Contains of whoever sent a message: by its address or, in domains
// that the Internet carries, by that which it came from there.
func (l *List) ContainsSender(m *socket.Message) bool { return l.containsAddr(m.Source()) }

func (l *List) containsAddr(ap netip.AddrPort) bool {
	if !ap.IsValid() {
		return false
	}
	a := ap.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ContainsPeer reports whether the peer of a connected socket is in the list:
// by the internet address of it or, in domains that the Internet carries, of what
// is beneath ([socket.Socket.Internet]); over a unix socket, by its credentials as the
// system vouches for them; by the names that a layer has seen proved. A peer that
// has none of these, as over vsock, is in no list.
func (l *List) ContainsPeer(c *socket.Socket) bool {
	if len(l.certs) > 0 && slices.ContainsFunc(c.Facts(), l.containsCertificate) {
		return true
	}
	if _, peer := c.Internet(); peer.IsValid() {
		return l.containsAddr(peer)
	}
	if c.Domain() != socket.Unix || len(l.uids)+len(l.gids) == 0 {
		return false
	}
	who, err := option.PeerCredentials.Get(c.Unwrap())
	return err == nil && l.containsProcess(who)
}

func (l *List) containsCertificate(f socket.Fact) bool {
	return f.Name == socket.CertificateName && slices.ContainsFunc(l.certs, func(name string) bool { return strings.EqualFold(name, f.Value) })
}

func (l *List) containsProcess(who socket.Credentials) bool {
	return slices.Contains(l.uids, who.UID) || slices.Contains(l.gids, who.GID)
}
