package socket

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A LayerKind is what a layer makes of the kind of socket beneath it. There are two
// sorts. A prefix layer has its say when a connection begins, reads exactly its own
// bytes, and steps aside: the socket is the one beneath. A transforming layer stays,
// as an endpoint that is a [Layer].
type LayerKind struct {
	Name string // in lower case, as "tls"

	// Prefix says that the layer steps aside once a connection has begun; over
	// datagrams, which have no beginning, it stays.
	Prefix bool

	// Renames says that what the layer accepts may have other names than the
	// connection beneath: its peer is who the layer was told.
	Renames bool

	// Gives returns what a kind has once the layer is over it. nil is a stream
	// with the properties of the kind beneath, without its boundaries and urgent
	// data; a prefix layer changes nothing.
	Gives func(Type, Properties) (Type, Properties)
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
		if l, ok := layerNamed(name); ok && l.Renames {
			return true
		}
	}
	return false
}

// layerKinds are the registered ones, by name.
var layerKinds sync.Map

// RegisterLayerKind makes the layer known to [Kind.Properties] and to the text of
// kinds. It panics if its name is taken.
func RegisterLayerKind(l *LayerKind) {
	if _, taken := layerKinds.LoadOrStore(l.Name, l); taken {
		panic(fmt.Sprintf("socket: the name of layer %s is taken", l.Name))
	}
}

func layerNamed(name string) (*LayerKind, bool) {
	l, ok := layerKinds.Load(name)
	if !ok {
		return nil, false
	}
	return l.(*LayerKind), true
}

// gives is Gives, or what a layer without it does.
func (l *LayerKind) gives(t Type, p Properties) (Type, Properties) {
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
func (l *LayerKind) Over(k Kind) Kind {
	if l.Prefix && k.Type != Datagram {
		return k
	}
	return l.Named(k)
}

// Named is Over for a listening socket, whose kind tells of every layer that its
// connections begin with, of a prefix layer too.
func (l *LayerKind) Named(k Kind) Kind {
	over := k
	over.Type, _ = l.gives(k.Type, k.Properties())
	over.carrier = k.carried().Type
	over.Layers = l.Name
	if k.Layers != "" {
		over.Layers += "+" + k.Layers
	}
	return over
}

// Wrap makes the socket of an endpoint that the layer has put over lower.
func (l *LayerKind) Wrap(e Endpoint, lower *Socket) *Socket {
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
		if l, ok := layerNamed(name); ok {
			t, p = l.gives(t, p)
		}
	}
	return p
}
