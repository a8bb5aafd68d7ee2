package scheme

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"zocalo/socket"
	"zocalo/socket/option"
)

// A Scheme is a word of the address language before the colon: how to get
// from the text of an endpoint to a socket. Either it has names to resolve
// to, and sockets are made, bound and connected; or it opens what it means by
// itself.
type Scheme struct {
	Name     string   // in lower case
	Aliases  []string // other spellings, socat's among them
	Endpoint string   // what follows the colon, for people and package check: "host:port", "path", "name"
	Doc      string   // what it is, in half a line

	// Domains are those that the scheme's names may be in, the usual one
	// first; empty for a scheme that opens by itself.
	Domains  []socket.Domain
	Type     socket.Type
	Protocol socket.Protocol

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
	Loops func(option.Settings) bool

	// Options are those that the scheme takes, besides the general ones.
	Options []*option.Spec

	// Defaults are set where the address does not give the option.
	Defaults option.Settings

	// Resolve returns the names that an endpoint means, in the order in which
	// to try them. The protocol may depend on settings too: see Kind.
	Resolve func(context.Context, Target) ([]socket.Name, error)

	// Kind, if not nil, returns the kind of socket to make for a name;
	// without it, that is the name's domain and the type and protocol above.
	Kind func(Target, socket.Name) socket.Kind

	// Source returns the names that the option bind means for a socket that
	// will connect: where to come from. Without it the option is refused.
	Source func(context.Context, Target, string) ([]socket.Name, error)

	// From is the name to take before connecting where the option bind is not
	// given, for a kind whose peers could not answer otherwise. The zero Name
	// leaves it to the system.
	From socket.Name

	// Bind, if not nil, gives a socket of the scheme its name, and does what
	// belongs to that: without it, that is the socket's method.
	Bind func(context.Context, Target, *socket.Socket, socket.Name) error

	// Adopt, if not nil, does what belongs to the name of a socket that was bound
	// before, as by another process.
	Adopt func(Target, *socket.Socket) error

	// Follow, if not nil, returns name with what the system chose for the
	// first of a listener's names, such as the port that was 0.
	Follow func(name, first socket.Name) socket.Name

	// Open opens what the endpoint means, for a scheme that does not resolve
	// to names.
	Open func(context.Context, Target) (*socket.Socket, error)

	// Prepare, if not nil, reads the options of an address once, such as those that name
	// files of keys: what it returns serves every socket that the address is opened for.
	// Connections of such a scheme begin with a handshake.
	Prepare func(Target) (*PreparedScheme, error)

	// Carrier and Layers are what a stack of the address language is made of, the
	// outermost layer first; see [Stack]. Both are nil for a scheme by itself.
	Carrier *Scheme
	Layers  []*Layer
}

// EndpointErrorf makes a [socket.EndpointError] as fmt.Errorf makes errors: for an
// endpoint that has no meaning, whatever this machine and others have.
func EndpointErrorf(format string, args ...any) error {
	return &socket.EndpointError{Problem: fmt.Sprintf(format, args...)}
}

// A PreparedScheme is what a scheme has made of the options of one address. Its funcs
// may be called from many goroutines at once.
type PreparedScheme struct {
	// Opened is given each new socket, before it has a name.
	Opened func(*socket.Socket) error

	// Reach and Notices are like those of a [PreparedLayer].
	Reach   string
	Notices func(listening string) []string

	// Close gives back what Prepare took; nil for nothing.
	Close func()
}

// Kinds returns the kinds of socket that the target can become; none for a
// scheme that opens by itself, where the kind is known only after opening.
func (s *Scheme) Kinds(t Target) []socket.Kind {
	var kinds []socket.Kind
	for _, d := range s.Domains {
		kinds = append(kinds, s.KindFor(t, unnamed(d)))
	}
	return kinds
}

// unnamed is a name that says no more than its domain.
func unnamed(d socket.Domain) socket.Name {
	n, _ := socket.MakeName(d, nil)
	return n
}

// KindFor returns the kind of socket to make for a name of the target's.
func (s *Scheme) KindFor(t Target, n socket.Name) socket.Kind {
	if s.Kind != nil {
		return s.Kind(t, n)
	}
	return socket.Kind{Domain: n.Domain(), Type: s.Type, Protocol: s.Protocol}
}

// A Target is what an address asks of a scheme.
type Target struct {
	Endpoint string
	Passive  bool // to bind and listen, rather than to connect
	Settings option.Settings

	Resolver *net.Resolver // nil is net.DefaultResolver
}

func (t Target) resolver() *net.Resolver {
	if t.Resolver != nil {
		return t.Resolver
	}
	return net.DefaultResolver
}

// schemes are the registered ones.
var schemes struct {
	mu     sync.RWMutex
	byWord map[string]*Scheme // by name and alias
	list   []*Scheme
}

// Register adds schemes, usually from the init function of their package. It
// panics if a word is taken: two schemes with the same word are a mistake in the
// program.
func Register(all ...*Scheme) {
	schemes.mu.Lock()
	defer schemes.mu.Unlock()
	if schemes.byWord == nil {
		schemes.byWord = map[string]*Scheme{}
	}
	for _, s := range all {
		for _, word := range append([]string{s.Name}, s.Aliases...) {
			if _, taken := schemes.byWord[word]; taken {
				panic(fmt.Sprintf("scheme: %s registers the word %s, which is taken", s.Name, word))
			}
			schemes.byWord[word] = s
		}
		schemes.list = append(schemes.list, s)
	}
}

// Lookup returns the scheme of that name or alias, in any case.
func Lookup(word string) (*Scheme, bool) {
	schemes.mu.RLock()
	defer schemes.mu.RUnlock()
	s, ok := schemes.byWord[strings.ToLower(word)]
	return s, ok
}

// All returns the registered schemes, sorted by name.
func All() []*Scheme {
	schemes.mu.RLock()
	list := slices.Clone(schemes.list)
	schemes.mu.RUnlock()
	slices.SortFunc(list, func(a, b *Scheme) int { return strings.Compare(a.Name, b.Name) })
	return list
}
