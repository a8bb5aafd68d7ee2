package upstream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"zocalo/address"
	"zocalo/internal/pass"
	"zocalo/internal/units"
	"zocalo/relay"
)

// A Link is the part of a pool in one relay, whose pairs it knows by their numbers. A
// pool has any number of them, and they share what they learn.
type Link struct {
	pool   *Pool
	shards [16]shard // by the number of the pair, so that pairs seldom wait for each other
}

type shard struct {
	mu    sync.Mutex
	trips map[int64]*trip
	spare []*trip
	_     [64]byte
}

// A trip is the way of a pair to its server.
type trip struct {
	source  uint64
	servers []*server // to try, in order
	at      int       // which of them has it; counted as open there
	reached bool
}

// maxSpare bounds the trips that are kept to be used again.
const maxSpare = 1 << 10

// Link makes one for a relay that is about to run.
func (p *Pool) Link() *Link {
	l := &Link{pool: p}
	for i := range l.shards {
		l.shards[i].trips = map[int64]*trip{}
	}
	return l
}

// Hook has a relay use the pool. Hooks that are there already are called too, before;
// but for Route, in whose place it comes. [relay.Config] To is then only what the
// relay checks beforehand: see [Pool.Addresses].
func (l *Link) Hook(h *relay.Hooks) {
	began, reached, ended := h.Began, h.Reached, h.Ended
	onlyFailures := h.OnlyFailures
	h.Route, h.OnlyFailures = l.Route, false
	h.Began = func(p *relay.Peer) {
		if began != nil {
			began(p)
		}
		l.Began(p)
	}
	h.Reached = func(pair int64, a relay.Attempt) {
		if reached != nil {
			reached(pair, a)
		}
		l.Reached(pair, a)
	}
	h.Ended = func(p relay.Pair) {
		l.Ended(p) // first: the other one may wait
		if ended != nil && (!onlyFailures || p.Result.How == relay.Failed) {
			ended(p)
		}
	}
}

func (l *Link) shard(pair int64) *shard { return &l.shards[uint64(pair)%uint64(len(l.shards))] }

// Began is for [relay.Hooks] Began.
func (l *Link) Began(p *relay.Peer) {
	s := l.shard(p.Pair)
	s.mu.Lock()
	defer s.mu.Unlock()
	var t *trip
	if n := len(s.spare); n > 0 {
		t, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		t = new(trip)
	}
	t.source = sourceOf(p.Name)
	s.trips[p.Pair] = t
}

// Route is for [relay.Hooks] Route: it picks servers, and counts the pair as open at the
// first. Where the pair had been routed before, its server has refused it. The error is
// [ErrNoneUp] where there is none to try.
func (l *Link) Route(_ context.Context, p *relay.Peer, _ []address.Address) ([]address.Address, error) {
	s := l.shard(p.Pair)
	v := l.pool.view.Load()
	s.mu.Lock()
	t := s.trips[p.Pair]
	over := t == nil // the pair is over, and what asks for it does not know yet
	if over {
		t = &trip{source: sourceOf(p.Name)}
	}
	refused := t.leave()
	t.servers = l.pool.pick(v, t.source, t.servers[:0])
	t.at, t.reached = 0, false
	if len(t.servers) > 0 && !over {
		t.servers[0].open.Add(1)
	}
	to := make([]address.Address, len(t.servers))
	for i, s := range t.servers {
		to[i] = s.address
	}
	s.mu.Unlock()
	if refused != nil {
		l.pool.blame(refused.state, &refused.resets, "it refused what was sent")
	}
	if len(to) == 0 {
		l.pool.mu.Lock()
		defer l.pool.mu.Unlock()
		return nil, fmt.Errorf("%w: %s", ErrNoneUp, l.pool.whyNone())
	}
	return to, nil
}

// leave takes the pair from the server that has it, which it returns if it was
// reached.
func (t *trip) leave() (reached *server) {
	if t.at >= len(t.servers) {
		return nil
	}
	s := t.servers[t.at]
	s.open.Add(-1)
	t.at = len(t.servers)
	if !t.reached {
		return nil
	}
	return s
}

// Reached is for [relay.Hooks] Reached: attempts come in the order that Route gave.
func (l *Link) Reached(pair int64, a relay.Attempt) {
	s := l.shard(pair)
	s.mu.Lock()
	t := s.trips[pair]
	if t == nil || t.at >= len(t.servers) {
		s.mu.Unlock()
		return
	}
	server := t.servers[t.at]
	if a.Err == nil {
		t.reached = true
		s.mu.Unlock()
		server.total.Add(1)
		if !isDatagram(server.address) && server.refusals.Load() != 0 { // of datagrams it says nothing
			server.refusals.Store(0)
		}
		return
	}
	server.open.Add(-1)
	if t.at++; t.at < len(t.servers) {
		t.servers[t.at].open.Add(1)
	}
	s.mu.Unlock()
	if isTheirs(a.Err) {
		l.pool.blame(server.state, &server.refusals, quoted(reason(a.Err)))
	}
}

// Ended is for [relay.Hooks] Ended, which must hear of all pairs.
func (l *Link) Ended(p relay.Pair) {
	s := l.shard(p.Number)
	s.mu.Lock()
	t := s.trips[p.Number]
	if t == nil {
		s.mu.Unlock()
		return
	}
	delete(s.trips, p.Number)
	server := t.leave()
	clear(t.servers)
	*t = trip{servers: t.servers[:0]}
	if len(s.spare) < maxSpare/len(l.shards) {
		s.spare = append(s.spare, t)
	}
	s.mu.Unlock()
	if server == nil {
		return
	}
	r := &p.Result
	for side := range r.From {
		server.bytes[side].Add(r.From[side].Bytes)
	}
	answered := r.From[relay.B].Bytes > 0 || r.From[relay.B].Messages > 0
	early := l.pool.view.Load().passive.Early
	if fails := r.Side == relay.B && (r.How == relay.Reset || r.How == relay.Failed && pass.IsReset(p.Err)); fails && !answered && r.Duration < max(early, 0) {
		l.pool.blame(server.state, &server.resets, "connections were reset before an answer, within "+units.Set(early.Round(time.Millisecond)))
		return
	}
	if answered {
		for _, row := range []interface {
			Load() int32
			Store(int32)
		}{&server.refusals, &server.resets} {
			if row.Load() != 0 {
				row.Store(0)
			}
		}
	}
}
