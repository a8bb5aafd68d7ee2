package relay_test

import (
	"fmt"
	"math/rand/v2"
)

// An ending is how a side ends its part of a life.
type ending int

const (
	inOrder   ending = iota // writes all, half-closes, reads until the end, closes
	leads                   // the same without a half-close: closes once it has read all that the other writes
	breaksOff               // closes at once when it has written all, and read so much
	resets                  // the same by a reset
	stays                   // writes all, and waits for an end to come
	nEndings  = iota
)

func (e ending) String() string {
	return [nEndings]string{"in order", "leads", "closes", "resets", "stays"}[e]
}

// breaks reports whether it may cut off what the other side still writes.
func (e ending) breaks() bool { return e == breaksOff || e == resets }

// A role is what one side does.
type role struct {
	chunks []int // to write, each by one call
	after  []int // bytes to have read before each
	total  int   // bytes of all chunks
	end    ending
	stop   int  // bytes to read before it closes or resets
	slow   bool // it reads in small pieces, with pauses
	hasty  bool // the bytes that tell the life go with the first chunk (streams)
}

func (r *role) String() string {
	s := fmt.Sprintf("%v, %d bytes in %d chunks", r.end, r.total, len(r.chunks))
	if r.end.breaks() {
		s += fmt.Sprintf(", reads %d", r.stop)
	}
	if r.slow {
		s += ", slow"
	}
	return s
}

// A plan is what both sides of a life do.
type plan struct {
	client, server role
	silent         bool // the client writes nothing at all, so that the server cannot know whose life it is
}

func (p *plan) String() string {
	if p.silent {
		return fmt.Sprintf("silent client (%v)", &p.client)
	}
	return fmt.Sprintf("client %v; server %v", &p.client, &p.server)
}

// newPlan makes the plan of a life of a row.
func newPlan(rng *rand.Rand, r *Row) *plan {
	p := &plan{}
	most := r.most()
	p.client.fill(rng, r.pair, most)
	p.server.fill(rng, r.pair, most)
	half := r.pair.from.HalfClose && r.pair.to.HalfClose
	if rng.IntN(8) == 0 {
		p.lockstep()
	}
	p.client.ends(rng, r)
	p.server.ends(rng, r)
	if !half {
		p.lead(rng, r)
	}
	if r.program != 0 {
		p.server = role{end: inOrder}
		p.client.after = make([]int, len(p.client.chunks)) // it says nothing of its own accord
	}
	p.client.stop = stopAt(rng, p.server.total)
	p.server.stop = stopAt(rng, p.client.total)
	if half && r.program == 0 && rng.IntN(20) == 0 {
		p.silent = true
		p.client.chunks, p.client.after, p.client.total = nil, nil, 0
		p.server = role{end: inOrder}
		p.client.stop = 0
	}
	return p
}

func stopAt(rng *rand.Rand, total int) int {
	switch rng.IntN(3) {
	case 0:
		return 0
	case 1:
		return total
	}
	return rng.IntN(total + 1)
}

// fill chooses what is written.
func (r *role) fill(rng *rand.Rand, p pair, most int) {
	r.slow = rng.IntN(10) == 0
	r.hasty = rng.IntN(2) == 0
	size := 0
	switch rng.IntN(20) {
	case 0:
		size = most
	case 1, 2, 3:
		size = 64 << 10
	case 4, 5:
		size = 0
	default:
		size = 3000
	}
	size = min(size, most)
	for left := rng.IntN(size + 1); left > 0 && len(r.chunks) < 40; {
		n := 1 + rng.IntN(left)
		if p.messages() {
			n = min(n, p.mostMessage())
			if rng.IntN(10) == 0 && !p.from.Full && !p.to.Full {
				n = 0
			}
		}
		r.chunks = append(r.chunks, n)
		r.total += n
		left -= n
	}
	r.after = make([]int, len(r.chunks))
}

func (p pair) mostMessage() int {
	most := 1 << 20
	for _, k := range []Kind{p.from, p.to} {
		if k.Messages {
			most = min(most, k.Most)
		}
	}
	return most
}

// lockstep makes each side wait for what the other wrote before.
func (p *plan) lockstep() {
	fromClient, fromServer := 0, 0
	for i := range max(len(p.client.chunks), len(p.server.chunks)) {
		if i < len(p.client.chunks) {
			p.client.after[i] = fromServer
			fromClient += p.client.chunks[i]
		}
		if i < len(p.server.chunks) {
			p.server.after[i] = fromClient
			fromServer += p.server.chunks[i]
		}
	}
}

// ends chooses how a side ends.
func (r *role) ends(rng *rand.Rand, row *Row) {
	switch n := rng.IntN(12); {
	case n < 2:
		r.end = breaksOff
	case n < 4:
		r.end = resets
	case n < 6 && row.variant.cuts:
		r.end = stays
	}
}

// lead makes one side end where none can do so in one direction alone.
func (p *plan) lead(rng *rand.Rand, r *Row) {
	leader, follower := &p.client, &p.server
	if r.pair.from.HalfClose || !r.pair.to.HalfClose && rng.IntN(2) == 0 {
		leader, follower = follower, leader
	}
	if leader.end == inOrder {
		leader.end = leads
	}
	if !r.pair.from.HalfClose && !r.pair.to.HalfClose && follower.end == inOrder {
		follower.end = stays // until the leader has closed
	}
}
