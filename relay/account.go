package relay

import (
	"slices"
	"sync"
	"time"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
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
	Result Result

	// Dropped counts the datagrams of it that were lost on their way.
	Dropped int64

	// Err is why it did not end in order.
	Err error
}

// Totals are what a relay has done since it runs.
type Totals struct {
	Open    int   // pairs that are open now
	Ended   int64 // pairs that are over
	Reset   int64 // of these, those that a reset ended
	Failed  int64 // of these, those that failed, or for which nothing was reached
	Refused int64 // messages that did not fit
	Dropped int64 // datagrams lost on their way, for the bounds of sessions or since a peer took no more

	// From are the bytes and messages that passed from each side, open pairs
	// included.
	From [2]struct{ Bytes, Messages int64 }
}

func (t *Totals) add(side Side, bytes, messages int64) {
	t.From[side].Bytes += bytes
	t.From[side].Messages += messages
}

// An account numbers the pairs, and counts those that are over. Those that are open, and what passed, are for
// the engine to tell, but for pairs of the engine join, which keeps them here.
type account struct {
	mu     sync.Mutex
	last   int64
	open   map[int64]*entry
	totals Totals
}

// number returns the number of the next pair.
func (a *account) number() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	return a.last
}

// ended counts a pair that is over.
func (a *account) ended(how outcome.EndReason) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endedLocked(how)
}

func (a *account) endedLocked(how outcome.EndReason) {
	a.totals.Ended++
	switch how {
	case outcome.Reset:
		a.totals.Reset++
	case outcome.Failed:
		a.totals.Failed++
	}
}

// An entry is a pair that is open.
type entry struct {
	Pair          // but for Result
	session  bool // of a datagram peer
	progress join.Progress
}

// begin opens a pair.
func (a *account) begin(peer string, session bool) *entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = make(map[int64]*entry)
	}
	a.last++
	e := &entry{Pair: Pair{Number: a.last, Began: time.Now(), Peer: peer}, session: session}
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
func (a *account) end(e *entry, r Result, err error) Pair {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, e.Number)
	e.Result, e.Err = r, err
	a.endedLocked(r.How)
	for side, f := range r.From {
		a.totals.add(Side(side), f.Bytes, f.Messages)
		a.totals.Refused += int64(f.Refused)
	}
	return e.Pair
}

// pair is an entry as it stands.
func (a *account) pair(e *entry) Pair {
	a.mu.Lock()
	defer a.mu.Unlock()
	return e.now()
}

// each calls f for each entry that is open.
func (a *account) each(f func(*entry)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.open {
		f(e)
	}
}

// now is the pair as it stands. The caller holds the account's mu.
func (e *entry) now() Pair {
	p := e.Pair
	p.Open = true
	p.Result.Duration = time.Since(e.Began)
	for _, side := range []Side{A, B} {
		f := &p.Result.From[side]
		f.Bytes, f.Messages = e.progress.From(side)
	}
	return p
}

func (a *account) pairs() (pairs []Pair) {
	a.each(func(e *entry) { pairs = append(pairs, e.now()) })
	return pairs
}

// now returns the totals with what passed on entries that are open.
func (a *account) now() Totals {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.totals
	t.Open = len(a.open)
	for _, e := range a.open {
		for _, side := range []Side{A, B} {
			bytes, messages := e.progress.From(side)
			t.add(side, bytes, messages)
		}
	}
	return t
}

// serving returns the engine that serves a listener, nil where there is none.
func (b *Relay) serving() engine {
	if r := b.running.Load(); r != nil {
		if e := r.engine.Load(); e != nil {
			return *e
		}
	}
	return nil
}

// Open returns the pairs that are open, in the order in which they began.
func (b *Relay) Open() []Pair {
	pairs := b.account.pairs()
	if e := b.serving(); e != nil {
		pairs = append(pairs, e.pairs()...)
	}
	slices.SortFunc(pairs, func(x, y Pair) int { return int(x.Number - y.Number) })
	return pairs
}

// Totals returns the sums so far. What has passed never falls.
func (b *Relay) Totals() Totals {
	t := b.account.now()
	if e := b.serving(); e != nil {
		e.count(&t)
	}
	if r := b.running.Load(); r != nil {
		if s := r.partners.Load(); s != nil {
			t.Dropped += s.Dropped()
		}
	}
	return t
}
