package upstream

import (
	"slices"
	"time"
)

// A view is what picks look at: it never changes, and another takes its place.
type view struct {
	policy    Policy
	tries     int
	passive   Passive
	tiers     []tier    // of servers that are up, those that go first first; none is empty
	ejected   []*server // the last resort, the first to return first
	servers   int       // in all
	slowStart int64     // nanoseconds
	rampUntil int64     // until when some server has less than its share
}

// A tier is servers that are as good as each other, but for their weights.
type tier struct {
	servers []*server
	upTo    []uint64 // the sum of the weights up to each, included; nil where all are equal
	total   uint64   // of the weights
	most    uint64   // the greatest of them
}

// newView makes one of servers. The caller holds the pool's mutex.
func newView(c *Config, servers []*server) *view {
	v := &view{policy: c.Policy, tries: c.Tries, passive: c.Passive, servers: len(servers), slowStart: int64(max(c.SlowStart, 0))}
	if c.Policy == SourceHash {
		v.slowStart = 0
	}
	var tiers [4][]*server
	for _, s := range servers {
		switch h, _ := s.health(); h {
		case Ejected:
			v.ejected = append(v.ejected, s)
		case Up:
			tiers[s.tier()] = append(tiers[s.tier()], s)
			if from := s.rampFrom.Load(); from != 0 && v.slowStart > 0 {
				v.rampUntil = max(v.rampUntil, from+v.slowStart)
			}
		}
	}
	for _, list := range tiers {
		if len(list) > 0 {
			v.tiers = append(v.tiers, newTier(list))
		}
	}
	slices.SortFunc(v.ejected, func(a, b *server) int { return a.until.Compare(b.until) })
	return v
}

// tier says which servers go before others: those of the family that the system
// prefers, then the other one; then backups likewise.
func (s *server) tier() (n int) {
	if s.backup {
		n += 2
	}
	if s.second {
		n++
	}
	return n
}

func newTier(list []*server) tier {
	t := tier{servers: list}
	equal := true
	for _, s := range list {
		w := uint64(s.weight)
		t.total += w
		t.most = max(t.most, w)
		equal = equal && s.weight == list[0].weight
		t.upTo = append(t.upTo, t.total)
	}
	if equal {
		t.upTo = nil
	}
	return t
}

// fullShare is the share of a server that is not new.
const fullShare = 1 << 10

// share is how much of its weight a server has, in parts of fullShare. Now is the pool's
// clock, 0 where no server is new.
func (v *view) share(s *server, now int64) uint64 {
	if now == 0 {
		return fullShare
	}
	from := s.rampFrom.Load()
	if from == 0 || now-from >= v.slowStart {
		return fullShare
	}
	return fullShare/10 + uint64(float64(fullShare*9/10)*float64(max(now-from, 0))/float64(v.slowStart))
}

// clock is the time since the pool was made, and never 0.
func (p *Pool) clock() int64 { return int64(time.Since(p.born)) + 1 }
