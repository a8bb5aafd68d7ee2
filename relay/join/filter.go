package join

import (
	"context"
	"errors"
	"net"
	"sync"

	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A Piece is what passes at once: one read of a stream, a message, or urgent data.
type Piece struct {
	What What
	Data []byte // valid during the call that it is given to
	Why  error  // of CloseBoth and ResetBoth: what ends the join

	files bool // the descriptors that came with it go with it
	lossy bool // its kind drops what does not fit
}

// Urgent reports whether it is urgent data.
func (p Piece) Urgent() bool { return p.What == Urgent }

// Ends reports whether it is no data, but what a filter ends a join with.
func (p Piece) Ends() bool { return p.What >= CloseBoth }

// Lossy reports whether it is a message of a kind that drops what there is no room for, as UDP:
// others make their sender wait.
func (p Piece) Lossy() bool { return p.lossy }

// LossyMessage returns an empty message of a kind that is [Piece.Lossy].
func LossyMessage() Piece { return Piece{What: Message, lossy: true} }

// Clone returns a copy that can be kept, and passed on later. Descriptors that came with
// the piece go with it only as long as it is in hand: they are refused otherwise.
func (p Piece) Clone() Piece {
	return Piece{What: p.What, Data: append([]byte(nil), p.Data...), Why: p.Why, lossy: p.lossy}
}

// A Filter stands in one direction of a join, and all that an end sends comes to it. What
// goes on is what it gives to the func next that it was made with: the same piece, a changed
// one, several, or none, at once or later, in any order.
//
// next writes to the far end, and waits as long as that takes nothing; so do the filter and the
// sender behind it, which is all the bound there is. It may be called from any goroutine, by one at a
// time or several, until End has returned. Its error says that nothing passes any more; the filter need not
// pass that on.
type Filter interface {
	// Pass takes a piece. It is called for one after the other, and while it waits
	// nothing more is read. Its error ends the join like one of the end that it came from: by a
	// reset. What does not pass for the time Options.Idle is idle, whoever holds it.
	Pass(Piece) error

	// End is told, once, that nothing more comes: why is nil where the end has finished in order, the
	// error of a reset or another failure, or net.ErrClosed where the join is over for another
	// reason. What the filter still holds it passes on before it returns; after that the end goes on to the other end.
	End(why error)
}

// Watch makes filters that pass everything on as it comes, once see has seen it.
func Watch(see func(from outcome.Side, what What, data []byte)) func(context.Context, outcome.Side, func(Piece) error) Filter {
	return func(_ context.Context, from outcome.Side, next func(Piece) error) Filter {
		return See(next, func(p Piece) { see(from, p.What, p.Data) })
	}
}

// See returns a filter that passes everything on to next as it comes, once see has seen
// it.
func See(next func(Piece) error, see func(Piece)) Filter { return &seeing{next, see} }

type seeing struct {
	next func(Piece) error
	see  func(Piece)
}

func (s *seeing) Pass(p Piece) error {
	if !p.Ends() {
		s.see(p)
	}
	return s.next(p)
}

func (s *seeing) End(error) {}

// A filtered is the filter of a flow.
type filtered struct {
	f      *flow
	filter Filter
	lossy  bool // of its pieces
	ended  sync.Once

	in sync.Mutex // of what is given to the filter: urgent data may come beside the rest

	out  sync.Mutex // of what it gives
	bare bool       // what is being given goes without the descriptors that came
	over bool       // nothing passes any more
}

// filter makes the filters of both flows, where there are to be some.
func (j *join) filter(ctx context.Context) {
	if j.opts.Filter == nil {
		return
	}
	ctx, j.unfilter = context.WithCancel(context.WithoutCancel(ctx)) // not before the join is over
	ctx = context.WithValue(ctx, carrying{}, j)
	for side := range j.flows {
		if j.done[side] {
			continue // it does not run
		}
		f := &j.flows[side]
		x := &filtered{f: f, lossy: f.near().lossy()}
		if x.filter = j.opts.Filter(ctx, f.from, x.next); x.filter != nil {
			f.filter = x
		}
	}
}

// carrying is the key of the join, in the context that filters are made with.
type carrying struct{}

// Carries returns what the pieces of a side are like, without data, to a filter that is being made: its
// context knows. ok is false for any other context.
func Carries(ctx context.Context, from outcome.Side) (like Piece, ok bool) {
	j, ok := ctx.Value(carrying{}).(*join)
	if !ok {
		return Piece{}, false
	}
	e := &j.ends[from]
	if e.messages() {
		like.What = Message
	}
	like.lossy = e.lossy()
	return like, true
}

// lossy reports whether the end's kind drops what there is no room for.
func (e *End) lossy() bool { return e.bounded() && !e.Socket.Properties().Reliable }

// pass gives a piece to the filter, and reports whether the flow goes on.
func (x *filtered) pass(data []byte, what What) bool {
	x.in.Lock()
	err := x.filter.Pass(Piece{What: what, Data: data, files: true, lossy: x.lossy})
	x.in.Unlock()
	switch {
	case x.f.j.closes.Load(): // and what still comes is dropped
		return !x.f.j.over.Load()
	case x.isOver():
	case err == nil:
		return true
	default:
		x.f.failed(err)
	}
	return false
}

// next takes what the filter passes on.
func (x *filtered) next(p Piece) error {
	if p.What == ResetBoth { // ahead of a write that waits
		x.f.j.endedBy(p)
	}
	x.out.Lock()
	defer x.out.Unlock()
	x.bare = !p.files
	if p.What == CloseBoth && !x.over {
		x.f.j.endedBy(p)
	}
	if p.Ends() || x.over || x.f.j.closes.Load() || x.f.j.over.Load() || !x.f.forward(p.Data, p.What) {
		x.over = true
		return net.ErrClosed
	}
	return nil
}

// withoutFiles reports whether what is being given is to go without the descriptors that came
// with the piece in hand.
func (x *filtered) withoutFiles() bool { return x != nil && x.bare }

func (x *filtered) isOver() bool {
	x.out.Lock()
	defer x.out.Unlock()
	return x.over || x.f.j.over.Load()
}

// end tells the filter that nothing more comes. A nil one is told nothing.
func (x *filtered) end(why error) {
	if x == nil {
		return
	}
	x.ended.Do(func() {
		x.filter.End(why)
		x.out.Lock()
		defer x.out.Unlock()
		x.over = true
	})
}

// ErrFilter is how a join ended that a filter ended without saying why.
var ErrFilter = errors.New("a filter ended it")

// endedBy ends the join as a filter wants it.
func (j *join) endedBy(p Piece) {
	if p.Why == nil {
		p.Why = ErrFilter
	}
	if p.What == ResetBoth {
		j.finish(outcome.Cancelled, 0, p.Why)
		return
	}
	j.mu.Lock()
	if j.over.Load() || j.closes.Load() {
		j.mu.Unlock()
		return
	}
	j.closing = p.Why
	j.closes.Store(true)
	closable := [2]bool{}
	for side := range j.ends {
		closable[side] = j.ends[side].halfClosable()
		j.shut[side] = closable[side]
		j.dropping[side].Store(true)
	}
	j.drain()
	j.mu.Unlock()
	for side, can := range closable {
		// It may have to wait, and then the time of draining ends it.
		if !can || j.ends[side].Socket.Shutdown(socket.ShutdownWrite) != nil {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.endsLocked()
			return
		}
	}
}
