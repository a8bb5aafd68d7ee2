package echo

import (
	"time"

	"zocalo/relay/outcome"
	"zocalo/socket"
)

// StreamOptions are those of [Streams].
type StreamOptions struct {
	// Loops is how many event loops there are; 0 or less means one for each
	// processor that Go uses (GOMAXPROCS). There are 1024 at most.
	Loops int

	// OnConnect, if not nil, is told of each connection that is served, by
	// the text of [accept.PeerText]; and OnEnd of its end, with the error of a
	// system call if it did not end in order. They are called in a goroutine of
	// their own, one at a time, and may be late.
	OnConnect func(peer string)
	OnEnd     func(peer string, err error)

	// OnOver, if not nil, is told of each connection that is over, as OnEnd is: with all
	// that it was, and how it ended.
	OnOver func(c Connected, how outcome.EndReason, err error)

	// OnServing, if not nil, is told once, when connections are accepted, how to ask
	// for those that are open.
	OnServing func(open func() []Connected)
}

// Connected is a connection of [Streams] that is open.
type Connected struct {
	Listener socket.Name
	Peer     string // the text of [accept.PeerText]
	Began    time.Time
	Bytes    int64 // that were sent back
}
