package scheme

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"zocalo/socket"
	"zocalo/socket/option"
)

// A Layer is a word of the address language before a "+": a layer over
// any kind of socket that carries what it needs, such as tls in tls+tcp:. Packages
// register theirs with [RegisterLayer]; whoever opens addresses knows none.
type Layer struct {
	socket.LayerKind
	Aliases []string // other spellings
	Doc     string   // what it is, in half a line

	// Short is the stack that the name alone stands for, at the end of a word:
	// "tcp" makes tls: out of tls+tcp:. "" leaves the layer without such a form.
	Short string

	// Stacks are further words, each for several layers with this one outermost, such as
	// "wss" is "ws+tls".
	Stacks map[string]string

	// Endpoint splits the layer's part, such as the path of a URL, off the endpoint of an
	// address, and returns it as options with their values. beneath are the layers below
	// this one. nil for a layer without a part in the endpoint.
	Endpoint func(beneath []*Layer, carrier *Scheme, endpoint string) (rest string, options []string, err error)

	// NoListen and NoDial say which side the layer cannot take.
	NoListen, NoDial bool

	// Options are those that the layer knows. Their phase is [option.Naming]: Prepare
	// reads them.
	Options []*option.Spec

	// Names says that peers of a listener say which name they came for, in the fact
	// "sni".
	Names bool

	// Requests says that connections accepted through the layer are Requesters.
	Requests bool

	// Needs says why the layer cannot go over a kind of these properties, and
	// what to do; "" where it can.
	Needs func(socket.Properties) string

	// Prepare reads the options of an address, once: it loads keys, and says
	// what cannot be. It is not called for every connection.
	Prepare func(LayerTarget) (*PreparedLayer, error)
}

// A LayerTarget is what an address asks of a layer.
type LayerTarget struct {
	Passive  bool
	Settings option.Settings // of the layer's own options
	Carrier  *Scheme         // beneath all layers

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
	Client func(ctx context.Context, lower *socket.Socket) (*socket.Socket, error)
	Server func(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error)

	// Destination is where the layer goes on to, for the layers above it; "" is
	// where it was told that the connection goes.
	Destination string

	// Reach is what the address of a client needs besides, to reach the listener, as
	// "pin=sha256:..."; "" for nothing.
	Reach string

	// Notices returns lines for the person who listens, told the address to
	// reach the listener at, such as "tls+tcp:127.0.0.1:5346"; nil for none.
	Notices func(listening string) []string

	// ProvesNames says that the connections of a listener have facts of
	// [socket.CertificateName].
	ProvesNames bool

	// Close gives back what Prepare took; nil for nothing.
	Close func()
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
	byWord map[string]*Layer
	list   []*Layer
}

// RegisterLayer adds a layer, usually from the init function of its package.
// It panics if one of its words is taken.
func RegisterLayer(l *Layer) {
	layers.mu.Lock()
	defer layers.mu.Unlock()
	if layers.byWord == nil {
		layers.byWord = map[string]*Layer{}
	}
	for _, word := range slices.Concat([]string{l.Name}, l.Aliases, slices.Sorted(maps.Keys(l.Stacks))) {
		if _, taken := layers.byWord[word]; taken {
			panic(fmt.Sprintf("scheme: layer %s registers the word %s, which is taken", l.Name, word))
		}
		layers.byWord[word] = l
	}
	layers.list = append(layers.list, l)
	socket.RegisterLayerKind(&l.LayerKind)
}

// LookupLayer returns the layer of that name or alias, in any case.
func LookupLayer(word string) (*Layer, bool) {
	layers.mu.RLock()
	defer layers.mu.RUnlock()
	word = strings.ToLower(word)
	l, ok := layers.byWord[word]
	return l, ok && l.Stacks[word] == ""
}

// LookupStack returns the layers that a word stands for, such as "ws+tls" for "wss"; "" if it
// does not stand for several.
func LookupStack(word string) string {
	layers.mu.RLock()
	defer layers.mu.RUnlock()
	word = strings.ToLower(word)
	if l, ok := layers.byWord[word]; ok {
		return l.Stacks[word]
	}
	return ""
}

// Layers returns the registered layers, sorted by name.
func Layers() []*Layer {
	layers.mu.RLock()
	list := slices.Clone(layers.list)
	layers.mu.RUnlock()
	slices.SortFunc(list, func(a, b *Layer) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Stack returns the scheme of a carrier with layers over it, the outermost first.
// It is a [LayerError] if one of them cannot go over what is beneath it.
func Stack(layers []*Layer, carrier *Scheme) (*Scheme, error) {
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
	over := func(k socket.Kind) socket.Kind {
		for _, l := range slices.Backward(layers) {
			k = l.Over(k)
		}
		return k
	}
	s.Kind = func(t Target, n socket.Name) socket.Kind { return over(carrier.KindFor(t, n)) }
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
func (l *Layer) Fits(p socket.Properties, k socket.Kind) error {
	if l.Needs == nil {
		return nil
	}
	if why := l.Needs(p); why != "" {
		return fmt.Errorf("it cannot go over %v: %s", k, why)
	}
	return nil
}
