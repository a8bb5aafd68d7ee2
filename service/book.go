package service

import (
	"slices"
	"sync"
	"time"

	"zocalo/internal/accept"
	"zocalo/relay"
	"zocalo/socket"
)

// A book is the account of connections that no relay counts.
type book struct {
	mu     sync.Mutex
	last   int64
	open   map[int64]*page
	sums   relay.Totals
	ended  func(relay.Pair)
	target string
}

// A page is a connection.
type page struct {
	relay.Pair
	passed func() (from, to int64)
}

func newBook(offset int64, target string, ended func(relay.Pair)) *book {
	return &book{last: offset, open: map[int64]*page{}, target: target, ended: ended}
}

// begin opens a page. passed says what has come from the peer and gone to it.
func (b *book) begin(c *socket.Socket, passed func() (from, to int64)) *page {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	p := &page{passed: passed, Pair: relay.Pair{Number: b.last, Began: time.Now(), Peer: accept.PeerText(c), Target: b.target, Open: true}}
	b.open[p.Number] = p
	return p
}

// end closes it.
func (b *book) end(p *page, how relay.EndReason, err error) {
	pair := p.now()
	pair.Open, pair.Result.How, pair.Err = false, how, err
	b.mu.Lock()
	delete(b.open, p.Number)
	b.add(&pair)
	b.mu.Unlock()
	if b.ended != nil {
		b.ended(pair)
	}
}

// now is the pair as it stands.
func (p *page) now() relay.Pair {
	pair := p.Pair
	pair.Result.Duration = time.Since(p.Began)
	if p.passed != nil {
		pair.Result.From[relay.A].Bytes, pair.Result.From[relay.B].Bytes = p.passed()
	}
	return pair
}

func (b *book) pages() (all []*page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.open {
		all = append(all, p)
	}
	slices.SortFunc(all, func(x, y *page) int { return int(x.Number - y.Number) })
	return all
}

func (b *book) pairs() (all []relay.Pair) {
	for _, p := range b.pages() {
		all = append(all, p.now())
	}
	return all
}

func (b *book) totals() relay.Totals {
	pages := b.pages()
	b.mu.Lock()
	t := b.sums
	b.mu.Unlock()
	t.Open = len(pages)
	for _, p := range pages {
		now := p.now()
		for side := range now.Result.From {
			t.From[side].Bytes += now.Result.From[side].Bytes
		}
	}
	return t
}

// count counts a connection that was not in the book while it was open.
func (b *book) count(p relay.Pair) {
	b.mu.Lock()
	b.last++
	p.Number = b.last
	b.add(&p)
	b.mu.Unlock()
	if b.ended != nil {
		b.ended(p)
	}
}

// add counts a pair that is over. The caller holds mu.
func (b *book) add(p *relay.Pair) {
	b.sums.Ended++
	switch p.Result.How {
	case relay.Reset:
		b.sums.Reset++
	case relay.Failed:
		b.sums.Failed++
	}
	for side := range p.Result.From {
		b.sums.From[side].Bytes += p.Result.From[side].Bytes
	}
}
