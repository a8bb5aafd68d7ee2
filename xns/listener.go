package xns

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"zocalo/socket/wait"
)

// maxBacklog is the most connections that wait to be accepted, those that are
// not established yet included.
const maxBacklog = 1024

// A listener is the socket that connections are asked for at. Each is made on
// a socket of its own.
type listener struct {
	host    *Host
	shared  *sharedHost // whose users the connections become; nil for a host made by hand
	number  uint16
	config  config
	stream  bool
	arrived wait.Bell

	mu         sync.Mutex
	backlog    int
	responding []*conn // not established yet, the oldest first
	pending    []*conn // established, and not accepted yet
	closed     bool
}

func (l *listener) input(hdr *Header, data []byte, b *buffer) bool {
	if hdr.To.Host.isGroup() {
		return false
	}
	if hdr.Type != TypeSPP {
		l.host.sendError(hdr, b, errInvalidType, 0)
		return false
	}
	spp, _, err := ParseSPP(data)
	if err != nil {
		return false
	}
	// Any destination is good: some ask for 0, others for 0xffff.
	if spp.Control&ControlSystem == 0 || spp.From == 0 || hdr.From.Host.IsZero() || hdr.From.Host.isGroup() {
		l.host.sendError(hdr, b, errNoSocket, 0)
		return false
	}
	key := connectKey{hdr.From, spp.From, l.number}
	key.from.Net = 0
	l.host.mu.RLock()
	c := l.host.passive[key]
	l.host.mu.RUnlock()
	if c != nil {
		c.askedAgain()
		return false
	}
	if c = l.make(key, b.via); c == nil {
		l.host.sendError(hdr, b, errResourceLimit, 0)
		return false
	}
	c.respond(hdr, &spp)
	return false
}

// make makes a connection that is to be answered, nil if there are enough. Where
// the places are taken by some that were never confirmed, the oldest of them gives
// way, so that opens with forged names shut nobody out.
func (l *listener) make(key connectKey, via netip.AddrPort) *conn {
	l.mu.Lock()
	closed, full := l.closed, len(l.responding)+len(l.pending) >= l.backlog
	var oldest *conn
	if full && len(l.responding) > 0 {
		oldest = l.responding[0]
	}
	l.mu.Unlock()
	switch {
	case closed || full && oldest == nil:
		return nil
	case full:
		oldest.giveWay()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.responding)+len(l.pending) >= l.backlog {
		return nil
	}
	c := newConn(l.host, l.config, l.stream)
	c.listener, c.key, c.via, c.state = l, key, via, responding
	number, err := l.host.add(0, c)
	if err != nil {
		return nil
	}
	c.local = l.host.local(number)
	l.host.mu.Lock()
	l.host.passive[key] = c
	l.host.mu.Unlock()
	if l.shared != nil && shared.retain(l.shared) {
		c.held = l.shared
	}
	l.responding = append(l.responding, c)
	return c
}

// established puts a connection into the queue. If nobody will accept it, it
// is closed.
func (l *listener) established(c *conn) {
	l.mu.Lock()
	l.forget(c)
	closed := l.closed
	if !closed {
		l.pending = append(l.pending, c)
		l.arrived.Ring()
	}
	l.mu.Unlock()
	if closed {
		c.sendReset()
		c.die(net.ErrClosed)
	}
}

// lost counts a connection that was never established.
func (l *listener) lost(c *conn) {
	l.mu.Lock()
	l.forget(c)
	l.mu.Unlock()
}

// forget takes out a connection that is not responding any more. The caller holds
// mu.
func (l *listener) forget(c *conn) {
	if i := slices.Index(l.responding, c); i >= 0 {
		l.responding = slices.Delete(l.responding, i, i+1)
	}
}

// take returns the oldest connection of the queue, if there is one, and an error
// if there will be none any more.
func (l *listener) take() (c *conn, ready bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.pending) == 0 && l.closed:
		l.arrived.Ring()
		return nil, true, syscall.ENETDOWN
	case len(l.pending) == 0:
		return nil, false, nil
	}
	c = l.pending[0]
	l.pending = slices.Delete(l.pending, 0, 1)
	if len(l.pending) > 0 {
		l.arrived.Ring()
	}
	return c, true, nil
}

func (l *listener) setBacklog(n int) {
	if n <= 0 || n > maxBacklog {
		n = maxBacklog
	}
	l.mu.Lock()
	l.backlog = n
	l.mu.Unlock()
}

func (l *listener) failed(*fault) {}

func (l *listener) hostClosed() { l.close() }

// close resets the connections that nobody accepted.
func (l *listener) close() {
	l.mu.Lock()
	unclaimed := append(l.pending, l.responding...)
	l.pending, l.closed = nil, true
	l.mu.Unlock()
	l.arrived.Ring()
	l.host.remove(l.number, l)
	for _, c := range unclaimed {
		c.abort()
	}
}
