package echo

// StreamOptions are those of [Streams].
type StreamOptions struct {
	// Loops is how many event loops there are; 0 or less means one for each
	// processor that Go uses (GOMAXPROCS). There are 1024 at most.
	Loops int

	// OnConnect, if not nil, is told of each connection that is served, by
	// the text of [server.PeerText]; and OnEnd of its end, with the error of a
	// system call if it did not end in order. They are called in a goroutine of
	// their own, one at a time, and may be late.
	OnConnect func(peer string)
	OnEnd     func(peer string, err error)
}
