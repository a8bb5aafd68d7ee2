package upstream

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"sort"

	"zocalo/socket"
)

// pick appends the servers to try for a peer, in order; source is the hash of who it is, 0 for
// nobody.
func (p *Pool) pick(v *view, source uint64, to []*server) []*server {
	tries := v.tries
	if tries < 0 {
		tries = v.servers
	}
	now := int64(0)
	if v.rampUntil != 0 {
		if now = p.clock(); now >= v.rampUntil {
			now = 0
		}
	}
	for i := range v.tiers {
		n := tries - len(to)
		if n <= 0 {
			return to
		}
		t := &v.tiers[i]
		switch {
		case len(t.servers) == 1:
			to = append(to, t.servers[0])
		case v.policy == RoundRobin:
			to = t.cycle(t.inTurn(v, &p.turn, now), -1, n, to)
		case v.policy == SourceHash && source != 0:
			to = t.nearest(source, n, to)
		default:
			to = t.leastOfTwo(v, now, n, to)
		}
	}
	for _, s := range v.ejected {
		if len(to) >= tries {
			break
		}
		to = append(to, s)
	}
	return to
}

// cycle appends up to n servers: the first, then those that follow it, but for one that is
// there already (-1 for none).
func (t *tier) cycle(first, but, n int, to []*server) []*server {
	i := first
	for range min(n, len(t.servers)) {
		if i != but {
			to = append(to, t.servers[i])
		}
		if i++; i == len(t.servers) {
			i = 0
		}
	}
	return to
}

// draw returns the index of a server by the weights, never but, which is -1 for none.
func (t *tier) draw(but int) int {
	if t.upTo == nil {
		if but < 0 {
			return rand.IntN(len(t.servers))
		}
		if i := rand.IntN(len(t.servers) - 1); i < but {
			return i
		} else {
			return i + 1
		}
	}
	total, below, without := t.total, uint64(math.MaxUint64), uint64(0)
	if but >= 0 {
		without = uint64(t.servers[but].weight)
		total -= without
		below = t.upTo[but] - without
	}
	at := rand.Uint64N(total)
	if at >= below {
		at += without
	}
	return sort.Search(len(t.upTo), func(i int) bool { return t.upTo[i] > at })
}

// redraws is how often a server that is new may be passed over in favor of another draw.
const redraws = 8

// leastOfTwo appends the less busy of two that are drawn, the other, and then any.
func (t *tier) leastOfTwo(v *view, now int64, n int, to []*server) []*server {
	first := t.draw(-1)
	for range redraws {
		if now == 0 || rand.Uint64N(fullShare) < v.share(t.servers[first], now) {
			break
		}
		first = t.draw(-1)
	}
	second := t.draw(first)
	a, b := t.servers[first], t.servers[second]
	// a.open / (a.weight * share) > b.open / (b.weight * share), without dividing
	busyA := uint64(max(a.open.Load(), 0)) * uint64(b.weight) * v.share(b, now)
	busyB := uint64(max(b.open.Load(), 0)) * uint64(a.weight) * v.share(a, now)
	if busyA > busyB {
		first, second = second, first
	}
	to = append(to, t.servers[first])
	if n > 1 {
		to = append(to, t.servers[second])
	}
	if n > 2 && len(t.servers) > 2 {
		to = t.others(first, second, n-2, to)
	}
	return to
}

// others appends up to n servers besides two, from a random one on.
func (t *tier) others(first, second, n int, to []*server) []*server {
	size := len(t.servers)
	n = min(n, size-2)
	for i := rand.IntN(size); n > 0; i = (i + 1) % size {
		if i != first && i != second {
			to = append(to, t.servers[i])
			n--
		}
	}
	return to
}

// inTurn returns the index of whose turn it is. Each round gives every server as much
// of a turn as its weight is of the greatest, and it is taken in the rounds in which that makes
// a whole one: no lock, and no list of turns.
func (t *tier) inTurn(v *view, turn interface{ Add(uint64) uint64 }, now int64) int {
	size := uint64(len(t.servers))
	if t.upTo == nil && now == 0 {
		return int((turn.Add(1) - 1) % size)
	}
	whole := t.most * fullShare
	for range 64 * size {
		at := turn.Add(1) - 1
		i := at % size
		s := t.servers[i]
		part := uint64(s.weight) * v.share(s, now)
		// What the rounds before have left over; servers begin at different ones, so
		// that those of one weight do not all come in the same round.
		high, low := bits.Mul64(at/size, part)
		_, left := bits.Div64(high%whole, low, whole)
		if (left+s.hash%whole)%whole+part >= whole {
			return int(i)
		}
	}
	return t.draw(-1) // all of them are new, and weigh next to nothing
}

// nearest appends the n servers that score highest for a source.
func (t *tier) nearest(source uint64, n int, to []*server) []*server {
	start := len(to)
	var few [8]float64
	scores := few[:0]
	for _, s := range t.servers {
		score := s.score(source, t.upTo == nil)
		if len(scores) == n && score <= scores[n-1] {
			continue
		}
		if len(scores) < n {
			scores, to = append(scores, score), append(to, s)
		}
		i := len(scores) - 1
		for ; i > 0 && scores[i-1] < score; i-- {
			scores[i], to[start+i] = scores[i-1], to[start+i-1]
		}
		scores[i], to[start+i] = score, s
	}
	return to
}

// score is how well a server fits a source: in the mean of many sources, the highest as
// often as its weight says (Schindelhauer and Schomaker, Weighted Distributed Hash Tables, 2005).
func (s *server) score(source uint64, equal bool) float64 {
	h := mix(source ^ s.hash)
	if equal {
		return float64(h >> 11)
	}
	return -float64(s.weight) / math.Log((float64(h>>11)+0.5)/(1<<53))
}

// mix is a bijection in which each bit depends on all (the last step of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hashText is FNV-1a, mixed: the same in every process, so that several relays agree.
func hashText[T string | []byte](text T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return mix(h)
}

// sourceOf is the hash of who a name is of, one IPv4 host or the /64 of an IPv6 one, whose
// addresses change; 0 where it has no address.
func sourceOf(n socket.Name) uint64 {
	a := n.Subscriber()
	if !a.IsValid() {
		return 0
	}
	b := a.As16()
	return max(hashText(b[:]), 1)
}
