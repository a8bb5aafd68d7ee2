package accept

import (
	"net/netip"
	"sync"

	"zocalo/socket"
	"zocalo/socket/option"
)

// PerPeer bounds what a single peer has open at once: an IPv4 address, the /64 of
// an IPv6 address, a user over unix sockets. A nil PerPeer is no bound.
type PerPeer struct {
	most int
	mu   sync.Mutex
	open map[peerKey]*Peer
}

// A Peer is one that has something open. A nil Peer is one that is not known, and
// not bounded.
type Peer struct {
	key  peerKey
	open int
}

type peerKey struct {
	addr netip.Addr
	uid  int // where addr is none
}

// leastPerPeer is the least that is left to a single peer by default, as long as
// others have a place besides.
const leastPerPeer = 8

// MaxPerPeer returns the bound of that many for each peer of the sockets, which
// are bound; negative is none. 0 is the default: a tenth of the places, but at
// least 8 where others have a place besides, and no bound where the sockets are
// on loopback or the domain unix, or the places are not bounded themselves.
func MaxPerPeer(most, places int, sockets ...*socket.Socket) int {
	if most == 0 && places > 0 {
		for _, s := range sockets {
			if own, _ := s.Internet(); own.IsValid() && !own.Addr().Unmap().IsLoopback() {
				most = max(1, min(max(places/10, leastPerPeer), places-1))
			}
		}
	}
	return most
}

// NewPerPeer returns the bound that MaxPerPeer says.
func NewPerPeer(most, places int, sockets ...*socket.Socket) *PerPeer {
	if most = MaxPerPeer(most, places, sockets...); most <= 0 {
		return nil
	}
	return &PerPeer{most: most, open: map[peerKey]*Peer{}}
}

// Enter counts one more of the peer of a connected socket, unless it has as many
// as it may.
func (b *PerPeer) Enter(c *socket.Socket) (p *Peer, ok bool) {
	if b == nil {
		return nil, true
	}
	if _, peer := c.Internet(); peer.IsValid() {
		return b.EnterName(peer.Addr(), nil)
	}
	if c.Domain() == socket.Unix {
		if who, err := option.PeerCredentials.Get(c.Unwrap()); err == nil {
			return b.EnterName(netip.Addr{}, &who)
		}
	}
	return nil, true
}

// EnterName is Enter of a peer by its address or, where that is none, the process
// that it is.
func (b *PerPeer) EnterName(a netip.Addr, who *socket.Credentials) (p *Peer, ok bool) {
	if b == nil || !a.IsValid() && who == nil {
		return nil, true
	}
	key := peerKey{addr: socket.InetName(netip.AddrPortFrom(a, 0)).Subscriber()}
	if !a.IsValid() {
		key.uid = who.UID
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p = b.open[key]; p == nil {
		p = &Peer{key: key}
		b.open[key] = p
	}
	if p.open >= b.most {
		return p, false
	}
	p.open++
	return p, true
}

// Leave takes back an Enter that was ok.
func (b *PerPeer) Leave(p *Peer) {
	if p == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.open--; p.open == 0 {
		delete(b.open, p.key)
	}
}

// TooMany says why a peer that has as many as it may is turned away.
const TooMany = "it has the maximum number of connections for one peer (--max-conns-per-peer)"
