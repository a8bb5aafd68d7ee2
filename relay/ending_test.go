package relay_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"syscall"
	"testing"

	"zocalo/relay"
	"zocalo/relay/join"
	"zocalo/socket"
)

var errWanted = errors.New("as wanted")

// endsBy runs a relay whose filter passes on what comes, and then ends the pair.
func endsBy(t *testing.T, kind string, how join.What) (r *running, a, b *socket.Socket) {
	return filtering(t, kind, func(_ context.Context, f *filter) {
		f.pass = func(p relay.Piece) error {
			f.next(p)
			return f.next(relay.Piece{What: how, Why: errWanted})
		}
	})
}

// A filter closes both ends in order: what came before arrives, what comes after is dropped, and the
// account does not say that the pair had finished.
func TestFilterCloses(t *testing.T) {
	for _, kind := range []string{"tcp", "unix-seqpacket"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r, a, b := endsBy(t, kind, join.CloseBoth)
			writes(t, a, "all")
			wants(t, b, "all")
			wantsEOF(t, b)
			wantsEOF(t, a)
			a.Write([]byte("too late"))
			b.Write([]byte("too late"))
			try(t, a.Close())
			try(t, b.Close())
			if p := r.ended(); p.Result.How != relay.Cancelled || !errors.Is(p.Err, errWanted) {
				t.Errorf("the pair ended as %+v", p)
			}
		})
	}
}

// Kinds that cannot half-close are closed.
func TestFilterClosesDatagrams(t *testing.T) {
	r, a, _ := endsBy(t, "udp", join.CloseBoth)
	writes(t, a, "all")
	if p := r.ended(); p.Result.How != relay.Cancelled || !errors.Is(p.Err, errWanted) {
		t.Errorf("the pair ended as %+v", p)
	}
}

// A filter resets both ends.
func TestFilterResets(t *testing.T) {
	r, a, b := endsBy(t, "tcp", join.ResetBoth)
	writes(t, a, "x")
	for _, s := range []*socket.Socket{a, b} {
		if _, err := io.Copy(io.Discard, s); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reading is %v", err)
		}
	}
	if p := r.ended(); p.Result.How != relay.Cancelled || !errors.Is(p.Err, errWanted) {
		t.Errorf("the pair ended as %+v", p)
	}
}

// In a chain, what the first passes on comes to the second, and what ends the pair to neither.
func TestChain(t *testing.T) {
	type make = func(context.Context, relay.Pair, relay.Side, func(relay.Piece) error) relay.Filter
	var got []string
	var ends []error
	stage := func(mark string) make {
		return func(_ context.Context, _ relay.Pair, _ relay.Side, next func(relay.Piece) error) relay.Filter {
			return &filter{next: next, pass: func(p relay.Piece) error {
				p.Data = append(slices.Clone(p.Data), mark...)
				return next(p)
			}, end: func(err error) { ends = append(ends, err) }}
		}
	}
	none := func(context.Context, relay.Pair, relay.Side, func(relay.Piece) error) relay.Filter { return nil }
	next := func(p relay.Piece) error {
		got = append(got, string(p.Data))
		return nil
	}
	for _, both := range [][2]make{{stage("1"), stage("2")}, {stage("1"), nil}, {nil, stage("2")}, {none, stage("2")}, {stage("1"), none}} {
		f := relay.Chain(both[0], both[1])(t.Context(), relay.Pair{}, relay.A, next)
		try(t, f.Pass(relay.Piece{Data: []byte("x")}))
		f.End(errWanted)
	}
	if want := []string{"x12", "x1", "x2", "x2", "x1"}; !slices.Equal(got, want) || len(ends) != 6 {
		t.Errorf("what came is %q, with the ends %v", got, ends)
	}
	if relay.Chain(nil, nil) != nil {
		t.Error("a chain of nothing is something")
	}
}
