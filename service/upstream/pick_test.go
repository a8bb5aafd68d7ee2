package upstream

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/socket"
)

// picks counts where n pairs of different hosts go that stay open if they are to.
func picks(p *Pool, n int, stay bool) map[string]int {
	count := map[string]int{}
	var to []*server
	for i := range n {
		to = p.pick(p.view.Load(), hashText(fmt.Sprint(i)), to[:0])
		if len(to) == 0 {
			return count
		}
		count[to[0].text]++
		if stay {
			to[0].open.Add(1)
		}
	}
	return count
}

// about fails unless a count is within a tenth of what is wanted.
func about(t *testing.T, what string, got, want int) {
	t.Helper()
	if math.Abs(float64(got-want)) > float64(want)/10+1 {
		t.Errorf("%s: %d, want about %d", what, got, want)
	}
}

// Each policy gives servers what they weigh.
func TestWeights(t *testing.T) {
	weights := []int{1, 2, 5, 8}
	for _, policy := range []Policy{LeastOfTwo, RoundRobin, SourceHash} {
		t.Run(policy.String(), func(t *testing.T) {
			c := Config{Members: numbered(t, len(weights)), Policy: policy}
			for i, w := range weights {
				c.Members[i].Weight = w
			}
			p := newPool(t, c)
			const n = 160_000
			count := picks(p, n, policy == LeastOfTwo)
			for i, w := range weights {
				about(t, fmt.Sprintf("weight %d", w), count[c.Members[i].Address.String()], n*w/16)
			}
		})
	}
}

// Round robin gives one after the other their turn, exactly.
func TestRoundRobin(t *testing.T) {
	p := newPool(t, Config{Members: numbered(t, 3), Policy: RoundRobin})
	for s, n := range picks(p, 300, false) {
		if n != 100 {
			t.Errorf("%s had %d of 300 turns", s, n)
		}
	}
	c := Config{Members: numbered(t, 3), Policy: RoundRobin}
	c.Members[0].Weight = 3
	try(t, p.Update(c))
	count := picks(p, 500, false)
	if n := count["tcp:10.0.0.1:80"]; n < 299 || n > 301 {
		t.Errorf("the server of weight 3 of 5 had %d of 500 turns", n)
	}
}

// The less busy of two gets the pair: no server gets far ahead.
func TestLeastOfTwo(t *testing.T) {
	p := newPool(t, Config{Members: numbered(t, 100)})
	most := 0
	for _, n := range picks(p, 10_000, true) {
		most = max(most, n)
	}
	if most > 110 {
		t.Errorf("a server of 100 has %d of 10000 pairs", most)
	}
	p = newPool(t, Config{Members: numbered(t, 2)})
	statusless := p.states["tcp:10.0.0.1:80"]
	statusless.open.Add(100)
	if n := picks(p, 50, true)["tcp:10.0.0.2:80"]; n != 50 {
		t.Errorf("the idle one of two servers got %d of 50 pairs", n)
	}
}

// A host goes to the same server as long as that is up, and only those of a server
// that goes move.
func TestSourceHash(t *testing.T) {
	p := newPool(t, Config{Members: numbered(t, 10), Policy: SourceHash})
	where := func() (at [10_000]string) {
		for i := range at {
			at[i] = p.pick(p.view.Load(), hashText(fmt.Sprint(i)), nil)[0].text
		}
		return at
	}
	before := where()
	if before != where() {
		t.Error("hosts move by themselves")
	}
	gone := "tcp:10.0.0.4:80"
	try(t, p.Eject(gone))
	after := where()
	moved := 0
	for i := range before {
		switch {
		case before[i] == gone:
			moved++
		case before[i] != after[i]:
			t.Fatalf("host %d moved from %s, which is up", i, before[i])
		}
	}
	about(t, "hosts that moved", moved, 1000)
	try(t, p.Restore(gone))
	if where() != before {
		t.Error("hosts do not come back")
	}
	name := func(a string) socket.Name { return socket.InetName(netip.MustParseAddrPort(a)) }
	if sourceOf(name("10.1.2.3:1")) != sourceOf(name("10.1.2.3:2")) || sourceOf(name("10.1.2.3:1")) == sourceOf(name("10.1.2.4:1")) {
		t.Error("a source is not its host")
	}
	if sourceOf(name("[2001:db8::1]:1")) != sourceOf(name("[2001:db8::2]:1")) || sourceOf(name("[2001:db8::1]:1")) == sourceOf(name("[2001:db8:0:1::1]:1")) {
		t.Error("a source of IPv6 is not its /64")
	}
	if sourceOf(socket.Name{}) != 0 {
		t.Error("a peer without an address has a source")
	}
}

// All that is to be tried is another server each, and as many as it may be; backups
// come last.
func TestTries(t *testing.T) {
	for _, policy := range []Policy{LeastOfTwo, RoundRobin, SourceHash} {
		for _, n := range []int{1, 2, 3, 7} {
			for _, tries := range []int{1, 2, 0, 5, 20, -1} {
				c := Config{Members: numbered(t, n+2), Policy: policy, Tries: tries}
				for i := range 2 {
					c.Members[i].Backup = true
				}
				if n > 2 {
					c.Members[n].Weight = 9
				}
				p := newPool(t, c)
				want := n + 2
				switch {
				case tries == 0:
					want = min(want, DefaultTries)
				case tries > 0:
					want = min(want, tries)
				}
				for i := range 100 {
					to := p.pick(p.view.Load(), uint64(i+1), nil)
					seen := map[string]bool{}
					for i, s := range to {
						if seen[s.text] {
							t.Fatalf("%v, %d servers: %s is tried twice", policy, n, s.text)
						}
						seen[s.text] = true
						if s.backup != (i >= n) {
							t.Fatalf("%v, %d servers: a backup is tried at %d", policy, n, i)
						}
					}
					if len(to) != want {
						t.Fatalf("%v, %d servers and 2 backups, tries %d: %d are tried", policy, n, tries, len(to))
					}
				}
			}
		}
	}
}

// A server that comes back gets more from minute to minute.
func TestSlowStart(t *testing.T) {
	for _, policy := range []Policy{LeastOfTwo, RoundRobin} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, Config{Members: numbered(t, 4), Policy: policy, SlowStart: time.Minute})
				const back = "tcp:10.0.0.1:80"
				if s := statusOf(t, p, back); s.Share != 1 {
					t.Errorf("at first its share is %v", s.Share)
				}
				try(t, p.Eject(back))
				time.Sleep(time.Minute)
				try(t, p.Restore(back))
				for _, c := range []struct {
					at    time.Duration
					share float64
				}{{0, 0.1}, {30 * time.Second, 0.55}, {time.Minute, 1}, {time.Hour, 1}} {
					time.Sleep(c.at - time.Duration(p.clock()-1) + time.Minute)
					if s := statusOf(t, p, back); math.Abs(s.Share-c.share) > 0.01 {
						t.Errorf("after %v its share is %v", c.at, s.Share)
					}
					const n = 20_000
					want := float64(n) * c.share / (3 + c.share)
					about(t, fmt.Sprintf("pairs after %v", c.at), picks(p, n, false)[back], int(want))
				}
			})
		})
	}
}

// Picking takes no memory.
func TestPickAllocates(t *testing.T) {
	for _, policy := range []Policy{LeastOfTwo, RoundRobin, SourceHash} {
		c := Config{Members: numbered(t, 10), Policy: policy}
		c.Members[3].Weight = 7
		p := newPool(t, c)
		to := make([]*server, 0, 10)
		name := socket.InetName(netip.MustParseAddrPort("10.1.2.3:4"))
		if n := testing.AllocsPerRun(100, func() { to = p.pick(p.view.Load(), sourceOf(name), to[:0]) }); n != 0 {
			t.Errorf("%v allocates %v times", policy, n)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, policy := range []Policy{LeastOfTwo, RoundRobin, SourceHash} {
		for _, n := range []int{1, 10, 1000} {
			for _, weights := range []string{"equal", "mixed"} {
				b.Run(fmt.Sprintf("%v/%d/%s", policy, n, weights), func(b *testing.B) {
					c := Config{Members: numbered(b, n), Policy: policy}
					if weights == "mixed" {
						for i := range c.Members {
							c.Members[i].Weight = 1 + i%10
						}
					}
					p := newPool(b, c)
					b.ReportAllocs()
					b.RunParallel(func(pb *testing.PB) {
						to := make([]*server, 0, 8)
						for source := uint64(1); pb.Next(); source += 7919 {
							to = p.pick(p.view.Load(), source, to[:0])
						}
					})
				})
			}
		}
	}
}
