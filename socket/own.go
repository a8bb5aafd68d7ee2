package socket

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// IsSelf reports whether peer is a name of the very socket that has the name n:
// nobody else sends from there, so a message that says so was forged, to have it
// answer itself.
func (n Name) IsSelf(peer Name) bool {
	if peer == n {
		return !n.IsZero()
	}
	to, from := n.AddrPort(), peer.AddrPort()
	if !from.IsValid() || from.Port() != to.Port() {
		return false
	}
	a := from.Addr().Unmap().WithZone("")
	return to.Addr().Unmap().IsUnspecified() && (a.IsLoopback() || ours.has(a)) || a == to.Addr().Unmap().WithZone("")
}

// ours are the addresses of this machine as they were some seconds ago.
var ours addresses

type addresses struct {
	mu    sync.Mutex
	at    time.Time
	known map[netip.Addr]bool
}

func (o *addresses) has(a netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.at) > 5*time.Second {
		list, _ := net.InterfaceAddrs()
		o.at, o.known = time.Now(), make(map[netip.Addr]bool, len(list))
		for _, n := range list {
			if p, err := netip.ParsePrefix(n.String()); err == nil {
				o.known[p.Addr().Unmap().WithZone("")] = true
			}
		}
	}
	return o.known[a]
}
