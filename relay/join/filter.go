package join

import (
	"context"
	"net"
	"sync"

	"zocalo/relay/outcome"
)

// A Piece is what passes at once: one read of a stream, a message, or urgent data.
type Piece struct {
	What What
	Data []byte // valid during the call that it is given to

	files bool // the descriptors that came with it go with it
}

// Urgent reports whether it is urgent data.
func (p Piece) Urgent() bool { return p.What == Urgent }

// Clone returns a copy that can be kept, and passed on later. Descriptors that came with
// the piece go with it only as long as it is in hand: they are refused otherwise.
func (p Piece) Clone() Piece {
	return Piece{What: p.What, Data: append([]byte(nil), p.Data...)}
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
	s.see(p)
	return s.next(p)
}

func (s *seeing) End(error) {}

// A filtered is the filter of a flow.
type filtered struct {
	f      *flow
	filter Filter
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
	for side := range j.flows {
		if j.done[side] {
			continue // it does not run
		}
		f := &j.flows[side]
		x := &filtered{f: f}
		if x.filter = j.opts.Filter(ctx, f.from, x.next); x.filter != nil {
			f.filter = x
		}
	}
}

// pass gives a piece to the filter, and reports whether the flow goes on.
func (x *filtered) pass(data []byte, what What) bool {
	x.in.Lock()
	err := x.filter.Pass(Piece{what, data, true})
	x.in.Unlock()
	if err == nil {
		return !x.isOver()
	}
	if !x.isOver() {
		x.f.failed(err)
	}
	return false
}

// next takes what the filter passes on.
func (x *filtered) next(p Piece) error {
	x.out.Lock()
	defer x.out.Unlock()
	x.bare = !p.files
	if x.over || x.f.j.over.Load() || !x.f.forward(p.Data, p.What) {
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
