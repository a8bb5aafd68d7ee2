package xns

import (
	"net"
	"slices"
	"sync"

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
	responding map[*conn]bool // not established yet
	pending    []*conn        // established, and not accepted yet
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
	if c = l.make(key, &spp); c == nil {
		l.host.sendError(hdr, b, errResourceLimit, 0)
		return false
	}
	c.respond(hdr, &spp)
	return false
}

// make makes a connection that is to be answered, nil if there are enough.
func (l *listener) make(key connectKey, spp *SPPHeader) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.responding)+len(l.pending) >= l.backlog {
		return nil
	}
	c := newConn(l.host, l.config, l.stream)
	c.listener, c.key, c.state = l, key, responding
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
	if l.responding == nil {
		l.responding = map[*conn]bool{}
	}
	l.responding[c] = true
	return c
}

// established puts a connection into the queue. If nobody will accept it, it
// is closed.
func (l *listener) established(c *conn) {
	l.mu.Lock()
	delete(l.responding, c)
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
	delete(l.responding, c)
	l.mu.Unlock()
}

// take returns the oldest connection of the queue, nil if there is none, and
// whether there will be none any more.
func (l *listener) take() (c *conn, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		if l.closed {
			l.arrived.Ring()
		}
		return nil, l.closed
	}
	c = l.pending[0]
	l.pending = slices.Delete(l.pending, 0, 1)
	if len(l.pending) > 0 {
		l.arrived.Ring()
	}
	return c, false
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
	unclaimed := l.pending
	for c := range l.responding {
		unclaimed = append(unclaimed, c)
	}
	l.pending, l.closed = nil, true
	l.mu.Unlock()
	l.arrived.Ring()
	l.host.remove(l.number, l)
	for _, c := range unclaimed {
		c.abort()
	}
}
