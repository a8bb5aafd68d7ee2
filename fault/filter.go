package fault

import (
	"context"
	"net"

	"zocalo/relay"
	"zocalo/relay/join"
)

// Filter is a relay's Hooks.Filter: the pairs of the relay have the faults of the plan, and others can be
// added while they are open. To have another filter as well, see [relay.Chain]. One plan is for one relay.
func (p *Plan) Filter(ctx context.Context, pair relay.Pair, from relay.Side, next func(relay.Piece) error) relay.Filter {
	f := &filter{}
	like, known := join.Carries(ctx, from)
	f.line = p.newLine(pair.Number, from, known, like, func(it *item) error {
		switch it.kind {
		case end:
			return nil
		case closing:
			it.p.What = join.CloseBoth
		case resetting:
			it.p.What = join.ResetBoth
		}
		return next(it.p)
	})
	context.AfterFunc(ctx, f.stop)
	return f
}

// A filter is a line of a relay.
type filter struct{ *line }

func (f *filter) Pass(p relay.Piece) error {
	err := f.bring(p, nil)
	if err == net.ErrClosed { // which the relay knows
		return nil
	}
	return err
}

// End lets what is held leave, if the end is one in order, and then the end.
func (f *filter) End(why error) {
	f.mu.Lock()
	if why == nil {
		f.finish()
		f.awaitEnd()
	}
	f.mu.Unlock()
	f.stop()
}
