package socket

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A LayerScheme is a word of the address language before a "+": a layer over
// any kind of socket that carries what it needs, as tls in tls+tcp:. Packages
// register theirs with [RegisterLayer]; whoever opens addresses knows none.
//
// There are two sorts. A prefix layer has its say when a connection begins,
// reads exactly its own bytes, and steps aside: the socket is the one beneath.
// A transforming layer stays, as an endpoint that is a [Layer].
type LayerScheme struct {
	Name    string   // in lower case, as "tls"
	Aliases []string // other spellings
	Doc     string   // what it is, in half a line

	// Short is the stack that the name alone stands for, at the end of a word:
	// "tcp" makes tls: out of tls+tcp:. "" leaves the layer without such a form.
	Short string

	// NoListen and NoDial say which side the layer cannot take.
	NoListen, NoDial bool

	// Options are those that the layer knows. Their phase is [Naming]: Prepare
	// reads them.
	Options []*Spec

	// Prefix says that the layer steps aside once a connection has begun; over
	// datagrams, which have no beginning, it stays.
	Prefix bool

	// Names says that peers of a listener tell which name they came for, as the fact
	// "sni".
	Names bool

	// Renames says that what the layer accepts may have other names than the
	// connection beneath: its peer is who the layer was told.
	Renames bool

	// Requests says that connections accepted through the layer are Requesters.
	Requests bool

	// Needs says why the layer cannot go over a kind of these properties, and
	// what to do; "" where it can.
	Needs func(Properties) string

	// Gives returns what a kind has once the layer is over it. nil is a stream
	// with the properties of the kind beneath, without its boundaries and urgent
	// data; a prefix layer changes nothing.
	Gives func(Type, Properties) (Type, Properties)

	// Prepare reads the options of an address, once: it loads keys, and says
	// what cannot be. It is not called for every connection.
	Prepare func(LayerTarget) (*PreparedLayer, error)
}

// A LayerTarget is what an address asks of a layer.
type LayerTarget struct {
	Passive  bool
	Settings Settings // of the layer's own options
	Carrier  *Scheme  // beneath all layers

	// Destination is where the connection goes as far as the layers beneath
	// know: the endpoint of the address, or what a layer beneath goes on to.
	Destination string
}

// A PreparedLayer is a layer of one address. Its funcs may be called from many
// goroutines at once. They own lower only where they succeed: who calls closes
// it after an error. The end of ctx ends them.
type PreparedLayer struct {
	// Client and Server begin the layer over a connection, dialled or accepted,
	// and return what it has become: lower itself, for a prefix layer. Client is
	// nil for an address that listens, and Server for one that connects. Server
	// calls heard once the peer has said something: the silent are the first to
	// give way where many connect.
	Client func(ctx context.Context, lower *Socket) (*Socket, error)
	Server func(ctx context.Context, lower *Socket, heard func()) (*Socket, error)

	// Destination is where the layer goes on to, for the layers above it; "" is
	// where it was told that the connection goes.
	Destination string

	// Reach is what the address of a client needs besides, to reach the listener, as
	// "pin=sha256:..."; "" for nothing.
	Reach string

	// Notices returns lines for the person who listens, told the address to
	// reach the listener at, as "tls+tcp:127.0.0.1:5346"; nil for none.
	Notices func(listening string) []string

	// Close gives back what Prepare took; nil for nothing.
	Close func()
}

// An Admitter is a listening endpoint whose connections begin with handshakes: whom
// admit refuses has none, and is admit's to close.
type Admitter interface {
	// Admit must be called before Accept. It may call admit in many goroutines at once.
	Admit(admit func(*Socket) bool)
}

// A HandshakeTeller is a listening endpoint whose connections begin with handshakes
// of its own, beneath any layer.
type HandshakeTeller interface {
	// OnHandshake has f told of each that is done, or of why it came to nothing; c has
	// the names of the connection, and is not to be used otherwise. It must be called
	// before Accept.
	OnHandshake(f func(c *Socket, err error))
}

// Renames reports whether one of the layers of a listening socket of the kind tells
// the names of its peers.
func (k Kind) Renames() bool {
	for name := range strings.SplitSeq(k.Layers, "+") {
		if l, ok := LookupLayer(name); ok && l.Renames {
			return true
		}
	}
	return false
}

// A LayerError is an error of one layer of an address.
type LayerError struct {
	Layer string
	Err   error
}

func (e *LayerError) Error() string { return e.Layer + ": " + e.Err.Error() }
func (e *LayerError) Unwrap() error { return e.Err }

// layers are the registered ones.
var layers struct {
	mu     sync.RWMutex
	byWord map[string]*LayerScheme
	list   []*LayerScheme
}

// RegisterLayer adds a layer, usually from the init function of its package.
// It panics if one of its words is taken.
func RegisterLayer(l *LayerScheme) {
	layers.mu.Lock()
	defer layers.mu.Unlock()
	if layers.byWord == nil {
		layers.byWord = map[string]*LayerScheme{}
	}
	for _, word := range append([]string{l.Name}, l.Aliases...) {
		if _, taken := layers.byWord[word]; taken {
			panic(fmt.Sprintf("socket: layer %s registers the word %s, which is taken", l.Name, word))
		}
		layers.byWord[word] = l
	}
	layers.list = append(layers.list, l)
}

// LookupLayer returns the layer of that name or alias, in any case.
func LookupLayer(word string) (*LayerScheme, bool) {
	layers.mu.RLock()
	defer layers.mu.RUnlock()
	l, ok := layers.byWord[strings.ToLower(word)]
	return l, ok
}

// Layers returns the registered layers, sorted by name.
func Layers() []*LayerScheme {
	layers.mu.RLock()
	list := slices.Clone(layers.list)
	layers.mu.RUnlock()
	slices.SortFunc(list, func(a, b *LayerScheme) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Stack returns the scheme of a carrier with layers over it, the outermost first.
// It is a [LayerError] if one of them cannot go over what is beneath it.
func Stack(layers []*LayerScheme, carrier *Scheme) (*Scheme, error) {
	s := *carrier
	s.Aliases, s.Carrier, s.Layers = nil, carrier, layers
	for _, l := range slices.Backward(layers) {
		s.Name = l.Name + "+" + s.Name
		s.Doc = l.Doc + ", over " + s.Doc
		s.NoListen = s.NoListen || l.NoListen
		s.NoDial = s.NoDial || l.NoDial
	}
	if s.NoListen && s.NoDial {
		return nil, fmt.Errorf("%s: one of its layers can only listen and another only connect", s.Name)
	}
	over := func(k Kind) Kind {
		for _, l := range slices.Backward(layers) {
			k = l.Over(k)
		}
		return k
	}
	s.Kind = func(t Target, n Name) Kind { return over(carrier.KindFor(t, n)) }
	for _, k := range carrier.Kinds(Target{}) {
		for _, l := range slices.Backward(layers) {
			if err := l.Fits(k.Properties(), k); err != nil {
				return nil, &LayerError{l.Name, err}
			}
			k = l.Over(k)
		}
		s.Type = k.Type
	}
	return &s, nil
}

// Fits says why the layer cannot go over a socket of that kind and with those
// properties.
func (l *LayerScheme) Fits(p Properties, k Kind) error {
	if l.Needs == nil {
		return nil
	}
	if why := l.Needs(p); why != "" {
		return fmt.Errorf("it cannot go over %v: %s", k, why)
	}
	return nil
}

// gives is Gives, or what a layer without it does.
func (l *LayerScheme) gives(t Type, p Properties) (Type, Properties) {
	switch {
	case l.Gives != nil:
		return l.Gives(t, p)
	case l.Prefix:
		return t, p
	}
	p.Bounded, p.Urgent = false, 0
	return Stream, p
}

// Over returns the kind that a socket of kind k is with the layer over it.
func (l *LayerScheme) Over(k Kind) Kind {
	if l.Prefix && k.Type != Datagram {
		return k
	}
	return l.Named(k)
}

// Named is Over for a listening socket, whose kind tells of every layer that its
// connections begin with, of a prefix layer too.
func (l *LayerScheme) Named(k Kind) Kind {
	over := k
	over.Type, _ = l.gives(k.Type, k.Properties())
	over.carrier = k.carried().Type
	over.Layers = l.Name
	if k.Layers != "" {
		over.Layers += "+" + k.Layers
	}
	return over
}

// WrapLayer makes the socket of an endpoint that l has put over lower.
func WrapLayer(l *LayerScheme, e Endpoint, lower *Socket) *Socket {
	s := Wrap(e, l.Over(lower.kind))
	s.trace = lower.trace
	return s
}

// carried is the kind beneath all layers.
func (k Kind) carried() Kind {
	if k.Layers != "" {
		k.Type = k.carrier
	}
	k.Layers, k.carrier = "", 0
	return k
}

// throughLayers returns what p, the properties of the carrier, have become.
func (k Kind) throughLayers(p Properties) Properties {
	t := k.carried().Type
	for _, name := range slices.Backward(strings.Split(k.Layers, "+")) {
		if l, ok := LookupLayer(name); ok {
			t, p = l.gives(t, p)
		}
	}
	return p
}
