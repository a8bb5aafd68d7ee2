package socket

import "fmt"

// A Kind is the three arguments of socket(2): what a socket is.
type Kind struct {
	Domain   Domain
	Type     Type
	Protocol Protocol
}

// String returns the kind's short name where its family has one, as "tcp" or
// "unix-seqpacket", else its three parts.
func (k Kind) String() string {
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
	Reliable     bool // nothing is lost while the connection lives
	Ordered      bool // what arrives, arrives in the order sent
	Unduplicated bool // nothing arrives twice
	Connected    bool // a connection exists before communication does
	Bounded      bool // message boundaries are kept
	Urgent       int  // the most octets of one urgent message; 0 where there are none
}

// Properties returns what the kind promises; the zero value for a kind that
// nobody registered.
func (k Kind) Properties() Properties {
	if f, ok := familyOf(k.Domain); ok && f.Properties != nil {
		return f.Properties(k)
	}
	return Properties{}
}
