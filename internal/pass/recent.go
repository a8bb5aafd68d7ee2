package pass

import (
	"net/netip"
	"time"
)

// DefaultMaxSessions bounds the sessions of datagram peers where nothing else is
// said.
const DefaultMaxSessions = 10_000

// Recent holds the sessions of datagram peers in the order in which something last
// passed through them, and says which gives way to another one. Its zero value has
// no bounds. Who uses it keeps it from being used twice at once.
type Recent[S any] struct {
	Max        int // of all; 0 or less is no bound
	MaxPerPeer int // of those that come from one address

	all order[S]
	of  map[netip.Addr]*order[S]
}

// An Entry is a session's place in Recent.
type Entry[S any] struct {
	Session S
	Last    time.Duration // when something passed

	links [2]struct{ newer, older *Entry[S] } // in the lists of all and of its peer
	own   *order[S]                           // the latter; nil where its peer is not bounded
}

// Len is how many there are.
func (r *Recent[S]) Len() int { return r.all.len }

// Crowded reports whether there are as many as may be.
func (r *Recent[S]) Crowded() bool { return r.Max > 0 && r.all.len >= r.Max }

// GivesWay returns the session that must end before another of a peer begins, nil
// where there is room: that of the peer, where it has as many as it may, or else of
// all, through which nothing passed for longest. A peer without an address is not
// bounded.
func (r *Recent[S]) GivesWay(peer netip.Addr) *Entry[S] {
	own := r.of[peer]
	switch {
	case r.MaxPerPeer > 0 && own != nil && own.len >= r.MaxPerPeer:
		return own.oldest
	case r.Crowded():
		return r.all.oldest
	}
	return nil
}

// Add adds a session of a peer.
func (r *Recent[S]) Add(e *Entry[S], peer netip.Addr, now time.Duration) {
	e.Last = now
	r.all.add(e)
	if r.MaxPerPeer <= 0 || !peer.IsValid() {
		return
	}
	if e.own = r.of[peer]; e.own == nil {
		if r.of == nil {
			r.of = map[netip.Addr]*order[S]{}
		}
		e.own = &order[S]{peer: peer, which: 1}
		r.of[peer] = e.own
	}
	e.own.add(e)
}

// Touch notes that something passed.
func (r *Recent[S]) Touch(e *Entry[S], now time.Duration) {
	e.Last = now
	for _, o := range [2]*order[S]{&r.all, e.own} {
		if o != nil && o.newest != e {
			o.remove(e)
			o.add(e)
		}
	}
}

// Remove takes a session out.
func (r *Recent[S]) Remove(e *Entry[S]) {
	r.all.remove(e)
	if e.own == nil {
		return
	}
	if e.own.remove(e); e.own.len == 0 {
		delete(r.of, e.own.peer)
	}
}

// Oldest returns the one through which nothing passed for longest, nil where there
// is none.
func (r *Recent[S]) Oldest() *Entry[S] { return r.all.oldest }

// Newer returns the next one, nil after the last.
func (r *Recent[S]) Newer(e *Entry[S]) *Entry[S] { return e.links[0].newer }

// Idle returns the oldest where nothing passed through it for so long; else nil,
// and in how long that could be, 0 where there is none.
func (r *Recent[S]) Idle(now, limit time.Duration) (e *Entry[S], in time.Duration) {
	if r.all.oldest == nil {
		return nil, 0
	}
	if in = r.all.oldest.Last + limit - now; in > 0 {
		return nil, in
	}
	return r.all.oldest, 0
}

// An order is a list of all, or of those of one peer.
type order[S any] struct {
	newest, oldest *Entry[S]
	len, which     int
	peer           netip.Addr
}

func (o *order[S]) add(e *Entry[S]) {
	o.len++
	if e.links[o.which].older = o.newest; o.newest != nil {
		o.newest.links[o.which].newer = e
	} else {
		o.oldest = e
	}
	o.newest = e
}

func (o *order[S]) remove(e *Entry[S]) {
	o.len--
	l := &e.links[o.which]
	if l.newer != nil {
		l.newer.links[o.which].older = l.older
	} else {
		o.newest = l.older
	}
	if l.older != nil {
		l.older.links[o.which].newer = l.newer
	} else {
		o.oldest = l.newer
	}
	l.newer, l.older = nil, nil
}
