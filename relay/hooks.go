package relay

import (
	"context"
	"sync"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/accept"
	"zocalo/relay/join"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// Hooks are told of what a [Relay] does, and decide some of it. One that is nil
// costs nothing. Each is called by whatever moves the pair, so several may be called
// at once for different pairs, and one that must not wait makes other pairs wait with
// it. In the life of a pair they come in this order.
type Hooks struct {
	// Listening is told of each listener that the relay has opened, before anything
	// is accepted. Its error ends Run.
	Listening func(*zocalo.Listener, address.Address) error

	// Admit decides about a peer that Allow and Deny let in: its error turns it away,
	// and is logged. It must not wait.
	Admit func(*Peer) error

	// Began is told of a peer that is served from now on: Ended follows. It must not
	// wait.
	Began func(*Peer)

	// Route chooses, of the addresses to reach, those for this peer, in the order in
	// which to try them; they may be others. It may wait until ctx ends. It is
	// called again where the peer is still to be served after all of them failed. With
	// it each connection is made beside the loops, and splices all the same; the engines streams and
	// datagrams can reach only what they could reach without it: another address is
	// refused, by a [*NotFastError].
	Route func(ctx context.Context, p *Peer, to []address.Address) ([]address.Address, error)

	// Reach connects in place of To, which is then empty, and says what it has reached,
	// for people. It may wait until ctx ends. The socket is the relay's from then on. It
	// takes the engine join, unless [Fast] is asked for: then it must return kernel
	// sockets that no layer changes.
	Reach func(ctx context.Context, p *Peer) (*socket.Socket, string, error)

	// Reached is told of each attempt to reach an address of To: of one that failed
	// too. It must not wait.
	Reached func(pair int64, a Attempt)

	// Paired is told of both ends of a pair, by their sides, before anything passes
	// between them. It may ask the sockets, and must neither use nor keep them. It must not
	// wait. It takes the engine join.
	Paired func(p Pair, ends [2]*socket.Socket)

	// Filter makes the filter of one direction of a pair, which sees, changes, delays
	// or drops what passes; nil is none. It is called once both ends are there, for
	// each direction; ctx ends with the pair. It takes the engine join.
	Filter func(ctx context.Context, p Pair, from Side, next func(Piece) error) Filter

	// Passed is told of what has just left for the other end. It must not wait.
	Passed func(pair int64, from Side, bytes, messages int)

	// Ended is told of each pair that is over, also of those of which no TO
	// could be reached. It may wait, and ask for Open and Totals.
	Ended func(Pair)

	// OnlyFailures makes Ended hear of pairs that failed alone. The others then cost
	// less.
	OnlyFailures bool
}

// What passes, and what stands in its way.
type (
	Piece  = join.Piece
	Filter = join.Filter
)

// See makes a Hooks.Filter that passes everything on as it comes, once see has seen it.
func See(see func(p Pair, from Side, what Piece)) func(context.Context, Pair, Side, func(Piece) error) Filter {
	return func(_ context.Context, p Pair, from Side, next func(Piece) error) Filter {
		return join.See(next, func(what Piece) { see(p, from, what) })
	}
}

// Chain makes a Hooks.Filter of two: what the first passes on comes to the second. Either may be nil.
func Chain(first, second func(context.Context, Pair, Side, func(Piece) error) Filter) func(context.Context, Pair, Side, func(Piece) error) Filter {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(ctx context.Context, p Pair, from Side, next func(Piece) error) Filter {
		last := second(ctx, p, from, next)
		if last == nil {
			return first(ctx, p, from, next)
		}
		c := &chained{last: last, next: next}
		if c.Filter = first(ctx, p, from, c.pass); c.Filter == nil {
			return last
		}
		return c
	}
}

// A chained is a filter before another.
type chained struct {
	Filter
	last Filter
	next func(Piece) error

	mu sync.Mutex // the last is given one after the other
}

func (c *chained) pass(p Piece) error {
	if p.Ends() {
		return c.next(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.Pass(p)
}

func (c *chained) End(why error) {
	c.Filter.End(why)
	c.last.End(why)
}

// A Peer is who came to FROM, as hooks see it.
type Peer struct {
	Pair  int64       // the number of its pair; 0 for Admit, which may turn it away
	Name  socket.Name // who came; the zero Name where it has none
	Local socket.Name // the name that it came to
	Text  string      // who came, for people

	// Credentials are of the process that came over a unix socket, where known.
	Credentials *socket.Credentials

	// Socket is the accepted one, to be asked for what its layers negotiated. It
	// is nil on the engines streams and datagrams.
	Socket *socket.Socket
}

// An Attempt is what came of reaching an address.
type Attempt struct {
	To     address.Address // the zero Address where Reach did it
	Target string          // what was reached, as in Pair; "" where nothing was
	Took   time.Duration
	Err    error // why it was not reached
}

// peerOf is the peer of a socket, with all that hooks may ask where there are any.
// It is not inlined, for the stacks of those that call it, which every pair has.
//
//go:noinline
func (h *Hooks) peerOf(s *socket.Socket) *Peer {
	p := &Peer{Text: accept.PeerText(s), Socket: s}
	if h.Admit == nil && h.Began == nil && h.Route == nil && h.Reach == nil {
		return p
	}
	p.Name, p.Local = s.Peer(), s.Name()
	if s.Domain() == socket.Unix {
		if who, err := option.PeerCredentials.Get(s); err == nil {
			p.Credentials = &who
		}
	}
	return p
}

// reached tells of an attempt.
func (r *run) reached(p *Peer, a address.Address, target string, began time.Time, err error) {
	if r.Reached == nil || p == nil {
		return
	}
	r.Reached(p.Pair, Attempt{To: a, Target: target, Took: time.Since(began), Err: err})
}

// socket is the peer's, nil where the peer is not known, or has none.
func (p *Peer) socket() *socket.Socket {
	if p == nil {
		return nil
	}
	return p.Socket
}

// origin returns the context in which to connect to an end for the peer, whose names
// its layers may be to tell.
func (p *Peer) origin(ctx context.Context, to end) context.Context {
	if p == nil || !to.hasLayers() {
		return ctx
	}
	o := scheme.Origin{Peer: p.Name, Local: p.Local}
	if s := p.Socket; s != nil {
		o = scheme.Origin{Peer: s.Peer(), Local: s.Name(), Facts: s.Facts()}
	}
	return scheme.WithOrigin(ctx, o)
}
