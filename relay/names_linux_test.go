package relay

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// A name is looked up once for all who ask at the time, and again when a moment
// has passed, so that a TO that moves is found.
func TestNamesAreLookedUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lookups, port := 0, uint16(1)
		scheme := &scheme.Scheme{
			Name: "test", Domains: []socket.Domain{socket.Inet}, Type: socket.Stream,
			Resolve: func(context.Context, scheme.Target) ([]socket.Name, error) {
				time.Sleep(10 * time.Millisecond)
				lookups++
				return []socket.Name{socket.InetName(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port))}, nil
			},
		}
		p := &plain{end: end{Address: address.Address{Scheme: scheme}}}
		p.names.plain = p
		var beside sync.WaitGroup
		post := func(f func()) bool { f(); return true }
		ask := func(wants string) {
			t.Helper()
			answers := 0
			for range 100 {
				p.names.get(t.Context(), beside.Go, post, func(all []*candidate) {
					if answers++; len(all) != 1 || all[0].text != wants {
						t.Errorf("it means %v, want %s", all, wants)
					}
				})
			}
			beside.Wait()
			if answers != 100 {
				t.Errorf("%d of 100 were answered", answers)
			}
		}
		ask("test:192.0.2.1:1")
		port = 2
		ask("test:192.0.2.1:1")
		if lookups != 1 {
			t.Errorf("looked up %d times, want once", lookups)
		}
		time.Sleep(namesKept)
		ask("test:192.0.2.1:2")
	})
}
