package bridge

import (
	"slices"
	"sync"
	"time"

	"zocalo/relay"
)

// A Pair is a peer of FROM and what it was joined with, or was to be.
type Pair struct {
	Number int64 // counts from 1
	Began  time.Time

	// Peer names who came, and Target what was reached for it: an address of
	// To with the name that it had. Target is "" while nothing is reached.
	Peer, Target string

	Open bool // not over yet

	// Result is what passed and how it ended; of a pair that is open, what
	// passed until now, and how long it is open. End A is FROM's.
	Result relay.Result

	// Dropped counts the datagrams of it that were lost on their way.
	Dropped int64

	// Err is why it did not end in order.
	Err error
}

// Totals are what a bridge has done since it runs.
type Totals struct {
	Open    int   // pairs that are open now
	Ended   int64 // pairs that are over
	Reset   int64 // of these, those that a reset ended
	Failed  int64 // of these, those that failed, or for which nothing was reached
	Refused int64 // messages that did not fit
	Dropped int64 // datagrams lost on their way, for the bounds of sessions or since a peer took no more

	// From are the octets and messages that passed from each side, open pairs
	// included.
	From [2]struct{ Octets, Messages int64 }
}

// An account holds the pairs that are open, and the sums of those that were.
type account struct {
	mu     sync.Mutex
	last   int64
	open   map[int64]*entry
	others others       // nil without a fast path
	drops  func() int64 // what was lost of datagrams; nil for nothing
	totals Totals
}

// others are pairs that are open on the fast path, which keeps its own list.
type others interface {
	pairs() []Pair
	count() int
}

func (a *account) attach(o others) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.others = o
}

// countDrops adds what counts the datagrams that are lost.
func (a *account) countDrops(lost func() int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drops = lost
}

// number returns the number of the next pair.
func (a *account) number() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	return a.last
}

// An entry is a pair that is open.
type entry struct {
	Pair     // but for Result
	progress relay.Progress
}

// begin opens a pair.
func (a *account) begin(peer string) *entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = make(map[int64]*entry)
	}
	a.last++
	e := &entry{Pair: Pair{Number: a.last, Began: time.Now(), Peer: peer}}
	a.open[e.Number] = e
	return e
}

// reached notes what an entry is joined with.
func (a *account) reached(e *entry, target string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.Target = target
}

// end closes a pair.
func (a *account) end(e *entry, r relay.Result, err error) Pair {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, e.Number)
	e.Result, e.Err = r, err
	a.sumLocked(r)
	return e.Pair
}

// sum adds the result of a pair that is over.
func (a *account) sum(r relay.Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sumLocked(r)
}

func (a *account) sumLocked(r relay.Result) {
	t := &a.totals
	t.Ended++
	switch r.How {
	case relay.Reset:
		t.Reset++
	case relay.Failed:
		t.Failed++
	}
	for side, f := range r.From {
		t.From[side].Octets += f.Octets
		t.From[side].Messages += f.Messages
		t.Refused += f.Refused
	}
}

func (a *account) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.others != nil {
		return len(a.open) + a.others.count()
	}
	return len(a.open)
}

// now is the pair as it stands.
func (e *entry) now() Pair {
	p := e.Pair
	p.Open = true
	p.Result.Duration = time.Since(e.Began)
	for _, side := range []relay.Side{relay.A, relay.B} {
		f := &p.Result.From[side]
		f.Octets, f.Messages = e.progress.From(side)
	}
	return p
}

// Open returns the pairs that are open, in the order in which they began.
func (b *Bridge) Open() []Pair {
	pairs := b.account.pairs()
	slices.SortFunc(pairs, func(x, y Pair) int { return int(x.Number - y.Number) })
	return pairs
}

func (a *account) pairs() []Pair {
	elsewhere := a.elsewhere()
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(a.pairsLocked(), elsewhere...)
}

// elsewhere are the open pairs that others account for, who have locks of their
// own.
func (a *account) elsewhere() []Pair {
	a.mu.Lock()
	others := a.others
	a.mu.Unlock()
	if others == nil {
		return nil
	}
	return others.pairs()
}

func (a *account) pairsLocked() []Pair {
	pairs := make([]Pair, 0, len(a.open))
	for _, e := range a.open {
		pairs = append(pairs, e.now())
	}
	return pairs
}

// Totals returns the sums so far. A pair of the fast path or of datagrams that
// ends at the very moment may be counted twice, as open and as ended.
func (b *Bridge) Totals() Totals {
	elsewhere := b.account.elsewhere()
	b.account.mu.Lock()
	defer b.account.mu.Unlock()
	open := append(b.account.pairsLocked(), elsewhere...)
	t := b.account.totals
	t.Open = len(open)
	if drops := b.account.drops; drops != nil {
		t.Dropped = drops()
	}
	for _, p := range open {
		for side := range t.From {
			t.From[side].Octets += p.Result.From[side].Octets
			t.From[side].Messages += p.Result.From[side].Messages
		}
	}
	return t
}
