package quic

import (
	"context"
	"errors"
	"sync"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/socket"
)

// A connection is one of QUIC, which sockets share: each has a stream of it.
type connection struct {
	quic      *quicgo.Conn
	transport *transport
	prepared  *prepared
	own, peer socket.Name
	announced bool          // streams begin with a byte of who opens them
	lasts     time.Duration // without users
	forget    func()        // has nobody open a stream of it any more
	gone      chan struct{} // closed once it is over, and has left the transport

	mu      sync.Mutex
	users   int
	quiet   *time.Timer // closes it, since it has no users
	times   int         // that it had none: a timer of an earlier time may be late
	closing bool        // for that
}

// leastQuiet is how long at the least a connection without streams stays, as the peer may not
// have read all yet that it has acknowledged.
const leastQuiet = 30 * time.Second

// acceptedLonger is how much longer the accepting side keeps a connection without streams:
// where both have the same time the side that dials is the first to close, which knows whether
// it opens one more.
const acceptedLonger = 5 * time.Second

// idle are the connections without users, for CloseIdle.
var idle = struct {
	mu  sync.Mutex
	all map[*connection]struct{}
}{all: map[*connection]struct{}{}}

// newConnection takes over a connection whose handshake is done, and one user's place
// of its transport. ended is called once it is over, or serves no more streams.
// It has one user, who is to leave.
func newConnection(c *quicgo.Conn, t *transport, p *prepared, own, peer socket.Name, ended func(*connection)) *connection {
	n := &connection{quic: c, transport: t, prepared: p, own: own, peer: peer, lasts: max(p.idle, leastQuiet), gone: make(chan struct{}), users: 1}
	protocol := c.ConnectionState().TLS.NegotiatedProtocol
	if protocol == "" { // ahead of the handshake, for which there is one only
		protocol = p.protocols[0]
	}
	n.announced = protocol == Protocol
	n.forget = func() { ended(n) }
	context.AfterFunc(c.Context(), func() {
		n.forget()
		n.mu.Lock()
		n.stopClock()
		n.mu.Unlock()
		t.leave()
		close(n.gone)
	})
	return n
}

// errClosing is for who comes too late.
var errClosing = errors.New("the connection is being closed")

// openStream opens a stream, if the peer allows one more. It is one more user then.
func (c *connection) openStream() (*quicgo.Stream, error) {
	if !c.enter() {
		c.leave()
		return nil, errClosing
	}
	s, err := c.quic.OpenStream()
	if err == nil {
		err = c.announce(s)
	}
	if err != nil { // a stream that could not be announced ended with the connection
		c.leave()
		return nil, err
	}
	return s, nil
}

// announce has the peer hear of a stream.
func (c *connection) announce(s *quicgo.Stream) error {
	if !c.announced {
		return nil
	}
	_, err := s.Write([]byte{announcement})
	return err
}

// enter is for one more user, who is to leave. It reports whether the connection stays for it.
func (c *connection) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
	c.stopClock()
	return !c.closing
}

// leave is for a socket that is closed. A connection that nobody uses stays for the
// streams to come, and so that the peer can read what it has not read: to close it takes
// that away.
func (c *connection) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users > 0 || c.closing || c.quic.Context().Err() != nil {
		return
	}
	c.times++
	times := c.times
	c.quiet = time.AfterFunc(c.lasts, func() { c.closeQuiet(times) })
	idle.mu.Lock()
	idle.all[c] = struct{}{}
	idle.mu.Unlock()
}

// stopClock is for a connection that has users, or is over. The caller holds mu.
func (c *connection) stopClock() {
	if c.quiet == nil {
		return
	}
	c.quiet.Stop()
	c.quiet = nil
	idle.mu.Lock()
	delete(idle.all, c)
	idle.mu.Unlock()
}

// closeQuiet closes a connection that has no users, and has had none since the last of so many times; 0
// is any. It lets none in any more.
func (c *connection) closeQuiet(times int) {
	c.mu.Lock()
	unused := c.quiet != nil && (times == 0 || times == c.times)
	if unused {
		c.closing = true
	}
	c.mu.Unlock()
	if unused {
		c.close()
	}
}

func (c *connection) close() { c.quic.CloseWithError(codeClosed, "") }

// CloseIdle closes the connections that no longer have a stream. Otherwise they stay open
// for the time of the option idle-timeout, and for at least 30 seconds, for further streams and
// for peers that have not read everything yet.
func CloseIdle() {
	idle.mu.Lock()
	all := make([]*connection, 0, len(idle.all))
	for c := range idle.all {
		all = append(all, c)
	}
	idle.mu.Unlock()
	for _, c := range all {
		c.closeQuiet(0)
	}
}
