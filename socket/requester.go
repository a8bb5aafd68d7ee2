package socket

import (
	"context"
)

// A Requester is an accepted connection whose peer has said where it wants to go
// on to, as that of a proxy's listener, and waits for an answer. It is found by
// [As].
type Requester interface {
	// Requested is what the peer asked for.
	Requested() Request

	// Answer tells the peer, once, that what it asked for was reached, and from
	// which name, or why not. After an error the peer has been given the time to
	// read of it, and the connection is good only for Close.
	Answer(bound Name, err error) error
}

// A Request is where a peer wants to go on to.
type Request struct {
	// Target is an endpoint of tcp, as HOST:PORT; what the peer wrote.
	Target string

	// Permit says why a name that Target means must not be connected to; nil
	// permits all.
	Permit func(Name) error

	// Open, where it is not nil, opens the other end in place of a connection to
	// Target: for a peer that wants to exchange datagrams with many. It asks refuse
	// too, which may be nil, about each of them.
	Open func(ctx context.Context, refuse func(Name) error) (*Socket, error)
}
