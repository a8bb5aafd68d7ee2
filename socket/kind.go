package socket

import (
	"fmt"
)

// A Kind is what a socket is: the three arguments of socket(2), and the layers over
// what those make.
type Kind struct {
	Domain   Domain
	Type     Type // of what the layers give, where there are any
	Protocol Protocol

	// Layers are the transforming ones, outermost first and joined by "+", as
	// "tls"; "" for a socket as its family made it.
	Layers string

	carrier Type // beneath the layers, which may change it
}

// String returns the kind's short name where its family has one, as "tcp" or
// "unix-seqpacket", else its three parts.
func (k Kind) String() string {
	if k.Layers != "" {
		return k.Layers + "+" + k.carried().String()
	}
	if f, ok := familyOf(k.Domain); ok && f.KindName != nil {
		if s := f.KindName(k); s != "" {
			return s
		}
	}
	return fmt.Sprintf("%v-%v-%v", k.Domain, k.Type, k.Protocol)
}

// Properties are the six that a socket may have, as the lecture on sockets
// names them. They are what a kind promises, not what was observed; the
// command `zocalo check` observes.
type Properties struct {
	Reliable     bool `json:"reliable"`     // nothing is lost while the connection lives
	Ordered      bool `json:"ordered"`      // what arrives, arrives in the order sent
	Unduplicated bool `json:"unduplicated"` // nothing arrives twice
	Connected    bool `json:"connected"`    // a connection exists before communication does
	Bounded      bool `json:"bounded"`      // message boundaries are kept
	Urgent       int  `json:"urgent"`       // the most bytes of one urgent message; 0 where there are none
}

// Properties returns what the kind promises; the zero value for a kind that
// nobody registered.
func (k Kind) Properties() Properties {
	if k.Layers != "" {
		return k.throughLayers(k.carried().Properties())
	}
	if f, ok := familyOf(k.Domain); ok && f.Properties != nil {
		return f.Properties(k)
	}
	return Properties{}
}
