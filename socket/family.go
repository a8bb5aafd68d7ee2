package socket

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A Family is everything that a domain brings to this package: how its
// sockets are made, what their names are, which schemes of the address
// language lead to it, and its options. A func that is nil is something that
// the domain does not have.
type Family struct {
	Name    string // in lower case, as "inet"
	Domains []DomainConstant

	// New is socket(2).
	New func(Kind) (Endpoint, error)
	// Pair is socketpair(2).
	Pair func(Kind) (a, b Endpoint, err error)

	// FormatName returns a name as the address language writes it.
	FormatName func(Name) string
	// NetAddr returns package net's form of a name, nil where it has none.
	NetAddr func(Name, Kind) net.Addr
	// KindName returns the short name of a kind, "" where it has none.
	KindName func(Kind) string
	// Properties returns what a kind promises.
	Properties func(Kind) Properties

	Schemes []*Scheme
}

// A DomainConstant is a domain of a family, under the name that C gives it.
type DomainConstant struct {
	Domain   Domain
	Constant string // as "AF_INET"
}

// A Scheme is a word of the address language before the colon: how to get
// from the text of an endpoint to a socket. Either it has names to resolve
// to, and sockets are made, bound and connected; or it opens what it means by
// itself.
type Scheme struct {
	Name     string   // in lower case
	Aliases  []string // other spellings, socat's among them
	Endpoint string   // what follows the colon, for people: "host:port"
	Doc      string   // what it is, in half a line

	// Domains are those that the scheme's names may be in, the usual one
	// first; empty for a scheme that opens by itself.
	Domains  []Domain
	Type     Type
	Protocol Protocol

	// NoListen and NoDial say which side the scheme cannot take.
	NoListen, NoDial bool

	// Port says that an endpoint ends in a port, after its last colon.
	Port bool

	// Program says that each socket has a program of its own at the other end.
	Program bool

	// File says that the endpoint is the path of a file, which may be a device.
	File bool

	// Inherited, if not nil, returns which of this process's own descriptors
	// opening takes, as far as the endpoint tells. They can be opened once only,
	// and are gone when what was opened is closed.
	Inherited func(endpoint string) []int

	// Loops, if not nil, reports whether a socket with these settings would read
	// what it writes itself.
	Loops func(Settings) bool

	// Options are those that the scheme takes, besides the general ones.
	Options []*Spec

	// Defaults are set where the address does not give the option.
	Defaults Settings

	// Resolve returns the names that an endpoint means, in the order in which
	// to try them. The protocol may depend on settings too: see Kind.
	Resolve func(context.Context, Target) ([]Name, error)

	// Kind, if not nil, returns the kind of socket to make for a name;
	// without it, that is the name's domain and the type and protocol above.
	Kind func(Target, Name) Kind

	// Source returns the names that the option bind means for a socket that
	// will connect: where to come from. Without it the option is refused.
	Source func(context.Context, Target, string) ([]Name, error)

	// From is the name to take before connecting where the option bind is not
	// given, for a kind whose peers could not answer otherwise. The zero Name
	// leaves it to the system.
	From Name

	// Bind, if not nil, gives a socket of the scheme its name, and does what
	// belongs to that: without it, that is the socket's method.
	Bind func(context.Context, Target, *Socket, Name) error

	// Follow, if not nil, returns name with what the system chose for the
	// first of a listener's names, as the port that was 0.
	Follow func(name, first Name) Name

	// Open opens what the endpoint means, for a scheme that does not resolve
	// to names.
	Open func(context.Context, Target) (*Socket, error)

	// Prepare, if not nil, reads the options of an address once, as those that name
	// files of keys: what it returns serves every socket that the address is opened for.
	// Connections of such a scheme begin with a handshake.
	Prepare func(Target) (*PreparedScheme, error)

	// Carrier and Layers are what a stack of the address language is made of, the
	// outermost layer first; see [Stack]. Both are nil for a scheme by itself.
	Carrier *Scheme
	Layers  []*LayerScheme
}

// A PreparedScheme is what a scheme has made of the options of one address. Its funcs
// may be called from many goroutines at once.
type PreparedScheme struct {
	// Opened is given each new socket, before it has a name.
	Opened func(*Socket) error

	// Reach and Notices are as those of a [PreparedLayer].
	Reach   string
	Notices func(listening string) []string

	// Close gives back what Prepare took; nil for nothing.
	Close func()
}

// Kinds returns the kinds of socket that the target can become; none for a
// scheme that opens by itself, where only opening tells.
func (s *Scheme) Kinds(t Target) []Kind {
	var kinds []Kind
	for _, d := range s.Domains {
		kinds = append(kinds, s.KindFor(t, Name{domain: d}))
	}
	return kinds
}

// KindFor returns the kind of socket to make for a name of the target's.
func (s *Scheme) KindFor(t Target, n Name) Kind {
	if s.Kind != nil {
		return s.Kind(t, n)
	}
	return Kind{Domain: n.Domain(), Type: s.Type, Protocol: s.Protocol}
}

// A Target is what an address asks of a scheme.
type Target struct {
	Endpoint string
	Passive  bool // to bind and listen, rather than to connect
	Settings Settings

	Resolver *net.Resolver // nil is net.DefaultResolver
}

func (t Target) resolver() *net.Resolver {
	if t.Resolver != nil {
		return t.Resolver
	}
	return net.DefaultResolver
}

// A registered is what Register has gathered. It never changes: Register makes
// another one, so that who looks up waits for nobody.
type registered struct {
	domains map[Domain]*Family
	consts  map[Domain]string
	schemes map[string]*Scheme // by name and alias
	list    []*Scheme
}

var (
	registry    atomic.Pointer[registered]
	registering sync.Mutex
)

// current returns the registry as it is.
func current() *registered {
	if r := registry.Load(); r != nil {
		return r
	}
	return &registered{}
}

// Register adds a family, usually from the init function of its package. It
// panics if a domain or a scheme's word is taken: two families that fight for
// one are a mistake in the program.
func Register(f *Family) {
	registering.Lock()
	defer registering.Unlock()
	old := current()
	r := &registered{map[Domain]*Family{}, map[Domain]string{}, map[string]*Scheme{}, slices.Clone(old.list)}
	maps.Copy(r.domains, old.domains)
	maps.Copy(r.consts, old.consts)
	maps.Copy(r.schemes, old.schemes)
	for _, d := range f.Domains {
		if other, taken := r.domains[d.Domain]; taken {
			panic(fmt.Sprintf("socket: family %s registers domain %d, which is %s's", f.Name, d.Domain, other.Name))
		}
		r.domains[d.Domain], r.consts[d.Domain] = f, d.Constant
	}
	for _, s := range f.Schemes {
		for _, word := range append([]string{s.Name}, s.Aliases...) {
			if _, taken := r.schemes[word]; taken {
				panic(fmt.Sprintf("socket: family %s registers scheme %s, which is taken", f.Name, word))
			}
			r.schemes[word] = s
		}
		r.list = append(r.list, s)
	}
	registry.Store(r)
}

// RegisterScheme adds one scheme that no domain stands behind.
func RegisterScheme(s *Scheme) { Register(&Family{Name: s.Name, Schemes: []*Scheme{s}}) }

// LookupScheme returns the scheme of that name or alias, in any case.
func LookupScheme(word string) (*Scheme, bool) {
	s, ok := current().schemes[strings.ToLower(word)]
	return s, ok
}

// Schemes returns the registered schemes, sorted by name.
func Schemes() []*Scheme {
	list := slices.Clone(current().list)
	slices.SortFunc(list, func(a, b *Scheme) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func familyOf(d Domain) (*Family, bool) {
	f, ok := current().domains[d]
	return f, ok
}

// constant returns the name that C gives to a domain, as "AF_INET".
func (d Domain) constant() string {
	if c, ok := current().consts[d]; ok {
		return c
	}
	return fmt.Sprint(uint16(d))
}
