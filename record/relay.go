package record

import (
	"context"
	"fmt"
	"sync"

	"zocalo/relay"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// Hook has the recorder see all pairs of a relay, before Run is called: as each end sends
// it, ahead of the filter that h has already, and to the end. The relay then takes the engine join.
func (r *Recorder) Hook(h *relay.Hooks) {
	w := &watch{r: r, pairs: map[int64]*Pair{}}
	r.watch.Store(w)
	paired, filter, ended, onlyFailures := h.Paired, h.Filter, h.Ended, h.OnlyFailures
	h.Paired = func(p relay.Pair, ends [2]*socket.Socket) {
		if paired != nil {
			paired(p, ends)
		}
		w.begin(p, ends)
	}
	h.Filter = func(ctx context.Context, p relay.Pair, from relay.Side, next func(relay.Piece) error) relay.Filter {
		var rest join.Filter
		if filter != nil {
			rest = filter(ctx, p, from, next)
		}
		pair := w.pair(p.Number)
		if pair == nil {
			return rest
		}
		return pair.before(ctx, from, next, rest)
	}
	h.OnlyFailures = false
	h.Ended = func(p relay.Pair) {
		w.end(p)
		if ended != nil && (p.Result.How == outcome.Failed || !onlyFailures) {
			ended(p)
		}
	}
}

// Join has the recorder see a pair that is joined by package join with these options, ahead of
// the filter that they have already. The pair is to be told how the join ended.
func (r *Recorder) Join(i Info, o *join.Options) *Pair {
	for side, s := range i.Ends {
		if _, is := socket.Beneath[isTapped](s); is { // the other end is this program
			return &Pair{r: r, info: Info{Ends: i.Ends, Client: outcome.Side(side)}}
		}
	}
	p := r.Begin(i)
	p.Open(context.Background())
	filter := o.Filter
	o.Filter = func(ctx context.Context, from outcome.Side, next func(join.Piece) error) join.Filter {
		var rest join.Filter
		if filter != nil {
			rest = filter(ctx, from, next)
		}
		return p.before(ctx, from, next, rest)
	}
	return p
}

// before is the filter of the pair ahead of another one, nil for none.
func (p *Pair) before(ctx context.Context, from outcome.Side, next func(join.Piece) error, rest join.Filter) join.Filter {
	if rest == nil {
		return p.Filter(ctx, from, next)
	}
	return &watched{p.Filter(ctx, from, rest.Pass), rest}
}

// Remark is [Pair.Remark] of a pair of the relay that was hooked last.
func (r *Recorder) Remark(pair int64, at string, from outcome.Side, text string) {
	if w := r.watch.Load(); w != nil {
		if p := w.pair(pair); p != nil {
			p.Remark(at, from, text)
		}
	}
}

// A watched is the filter of a recording, and the one that it stands before.
type watched struct {
	join.Filter
	rest join.Filter
}

func (w *watched) End(why error) {
	w.Filter.End(why)
	w.rest.End(why)
}

// A watch is the pairs of a relay that are open.
type watch struct {
	r     *Recorder
	mu    sync.Mutex
	pairs map[int64]*Pair
}

// begin begins the recording of a pair. Of ends that are recorded beneath their layers, the
// other one alone is left to be.
func (w *watch) begin(of relay.Pair, ends [2]*socket.Socket) {
	i := Info{Pair: of.Number, Ends: ends, Texts: [2]string{of.Peer, of.Target}}
	tapped := 0
	for side, s := range ends {
		if t, is := socket.Beneath[isTapped](s); is {
			t.wire().Note(fmt.Sprintf("pair=%d side=%s", of.Number, [2]string{"FROM", "TO"}[side]))
			i.Ends[side] = nobody()
			tapped++
		}
	}
	if tapped == len(ends) {
		return
	}
	p := w.r.Begin(i)
	p.Open(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pairs[of.Number] = p
}

func (w *watch) pair(number int64) *Pair {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pairs[number]
}

func (w *watch) end(of relay.Pair) {
	w.mu.Lock()
	p := w.pairs[of.Number]
	delete(w.pairs, of.Number)
	w.mu.Unlock()
	if p != nil {
		p.End(of.Result, of.Err)
	}
}
