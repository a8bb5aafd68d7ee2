package socket

import (
	"net/netip"
	"time"

	"zocalo/internal/sys"
)

// pathLimits remember, of each destination that refused a train, how long a
// segment may be that still leaves in one. A destination that is not there
// takes what any train may have. The zero value is empty.
type pathLimits struct {
	limits map[netip.Addr]pathLimit // made by the first refusal; the zero Addr is the connected peer
}

type pathLimit struct {
	longest int
	since   time.Time
}

const (
	// mostPaths bounds the memory. One more takes the place of the oldest.
	mostPaths = 256

	// pathLimitAge is when a limit is forgotten, so that a path whose packets
	// have become longer gets longer segments again: the age at which Linux
	// forgets a path's MTU (net.ipv4.route.mtu_expires).
	pathLimitAge = 10 * time.Minute
)

// longest returns the bytes of the longest segment that a train to peer may
// have at that moment, which is asked for only where something is remembered.
func (p *pathLimits) longest(peer *Name, now func() time.Time) int {
	if len(p.limits) == 0 {
		return sys.MostTrainBytes
	}
	to := pathOf(peer)
	l, ok := p.limits[to]
	if !ok {
		return sys.MostTrainBytes
	}
	if now().Sub(l.since) >= pathLimitAge {
		delete(p.limits, to)
		return sys.MostTrainBytes
	}
	return l.longest
}

// set remembers that a train to peer may have segments of at most so many
// bytes; sys.MostTrainBytes forgets the peer.
func (p *pathLimits) set(peer *Name, longest int, now time.Time) {
	to := pathOf(peer)
	if longest >= sys.MostTrainBytes {
		delete(p.limits, to)
		return
	}
	if _, known := p.limits[to]; !known && len(p.limits) >= mostPaths {
		p.dropOldest()
	}
	if p.limits == nil {
		p.limits = make(map[netip.Addr]pathLimit)
	}
	p.limits[to] = pathLimit{longest, now}
}

func (p *pathLimits) dropOldest() {
	var oldest netip.Addr
	first := true
	for to, l := range p.limits {
		if first || l.since.Before(p.limits[oldest].since) {
			oldest, first = to, false
		}
	}
	delete(p.limits, oldest)
}

// pathOf is what tells the path to a peer from others: the address, whatever
// the port.
func pathOf(peer *Name) netip.Addr { return peer.AddrPort().Addr().Unmap() }
