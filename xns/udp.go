package xns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// udpPeers is how many hosts a listening UDP link remembers; udpForget is how
// long after the last packet one may be forgotten for another.
const (
	udpPeers  = 1024
	udpForget = time.Minute
)

// udp carries each IDP packet in a datagram. The side that connects has one
// far end, for every host. The side that listens learns from what arrives
// which host is where. Nothing is authenticated.
type udp struct {
	id     HostID
	conn   *net.UDPConn
	remote bool // connected

	mu    sync.RWMutex
	peers map[HostID]*udpPeer
}

type udpPeer struct {
	at   netip.AddrPort
	last time.Time
}

func openUDP(ctx context.Context, id HostID, address string) (Link, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return &udp{id: id, conn: c.(*net.UDPConn), remote: true}, nil
}

func openUDPListen(ctx context.Context, id HostID, address string) (Link, error) {
	var l net.ListenConfig
	c, err := l.ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return &udp{id: id, conn: c.(*net.UDPConn), peers: map[HostID]*udpPeer{}}, nil
}

// LocalAddr returns the UDP address.
func (u *udp) LocalAddr() net.Addr { return u.conn.LocalAddr() }

func (u *udp) Host() HostID { return u.id }

func (u *udp) ReadFrame(b []byte) (int, error) {
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return 0, net.ErrClosed
		}
		if errors.Is(err, syscall.ECONNREFUSED) { // nobody is there yet, or any more
			continue
		}
		if err != nil {
			return 0, err
		}
		var h Header
		if err := h.parse(b[:n]); err != nil {
			if err == ErrChecksum {
				return n, nil // the host says so
			}
			continue
		}
		if !u.remote && !h.From.Host.isGroup() && !u.learn(h.From.Host, from) {
			continue
		}
		return n, nil
	}
}

// learn remembers where a host is. It returns false if there are too many.
func (u *udp) learn(id HostID, at netip.AddrPort) bool {
	now := time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.peers[id]
	if p == nil {
		if len(u.peers) >= udpPeers && !u.forget(now) {
			return false
		}
		p = new(udpPeer)
		u.peers[id] = p
	}
	p.at, p.last = at, now
	return true
}

func (u *udp) forget(now time.Time) (any bool) {
	for id, p := range u.peers {
		if now.Sub(p.last) > udpForget {
			delete(u.peers, id)
			any = true
		}
	}
	return any
}

func (u *udp) WriteFrame(to HostID, packet []byte) error {
	if u.remote {
		_, err := u.conn.Write(packet)
		return udpError(err)
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	if to.isGroup() {
		for _, p := range u.peers {
			u.conn.WriteToUDPAddrPort(packet, p.at)
		}
		return nil
	}
	p := u.peers[to]
	if p == nil {
		return syscall.EHOSTUNREACH
	}
	_, err := u.conn.WriteToUDPAddrPort(packet, p.at)
	return udpError(err)
}

// udpError turns the system's errors into those of a link. That nobody has the
// far port, which a packet before this one found out, means that nobody is
// there.
func udpError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, syscall.EMSGSIZE):
		return syscall.EMSGSIZE
	case errors.Is(err, syscall.ENETUNREACH):
		return syscall.ENETUNREACH
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.EAGAIN):
		return nil // lost
	}
	return syscall.EHOSTUNREACH
}

func (u *udp) Close() error { return u.conn.Close() }
