package socket

import (
	"net/netip"
	"testing"
	"time"

	"zocalo/internal/sys"
)

// Each destination has its own limit, whatever the port; it is forgotten in
// time, and the oldest makes room for one too many.
func TestPathLimits(t *testing.T) {
	var p pathLimits
	start := time.Unix(1000, 0)
	at := func(d time.Duration) func() time.Time { return func() time.Time { return start.Add(d) } }
	peer := func(i, port int) *Name {
		n := InetName(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(port)))
		return &n
	}
	want := func(what string, n *Name, d time.Duration, longest int) {
		t.Helper()
		if got := p.longest(n, at(d)); got != longest {
			t.Errorf("%s: %d bytes, want %d", what, got, longest)
		}
	}
	want("nothing known", peer(1, 5), 0, sys.MostTrainBytes)
	p.set(peer(1, 5), 1199, start)
	p.set(&Name{}, 500, start)
	want("the destination", peer(1, 5), 0, 1199)
	want("another port of it", peer(1, 6), 0, 1199)
	want("another destination", peer(2, 5), 0, sys.MostTrainBytes)
	want("the connected peer", &Name{}, 0, 500)
	mapped := InetName(netip.MustParseAddrPort("[::ffff:10.0.0.1]:5"))
	want("the destination by IPv6", &mapped, 0, 1199)
	want("just before it is forgotten", peer(1, 5), pathLimitAge-1, 1199)
	want("forgotten", peer(1, 5), pathLimitAge, sys.MostTrainBytes)
	p.set(&Name{}, sys.MostTrainBytes, start)
	want("taken back", &Name{}, 0, sys.MostTrainBytes)
	for i := range mostPaths + 1 {
		p.set(peer(i, 1), 100+i, start.Add(time.Duration(i)))
	}
	if n := len(p.limits); n != mostPaths {
		t.Errorf("%d destinations are remembered, want %d", n, mostPaths)
	}
	want("the oldest", peer(0, 1), 0, sys.MostTrainBytes)
	want("the second oldest", peer(1, 1), 0, 101)
	want("the newest", peer(mostPaths, 1), 0, 100+mostPaths)
}
