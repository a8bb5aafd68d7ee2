package quic

import (
	"time"

	"zocalo/socket"
)

// SetMostPeers has a listener for datagrams have fewer connections at once.
func SetMostPeers(s *socket.Socket, most int) {
	d := s.Unwrap().(*datagram)
	d.many.Lock()
	defer d.many.Unlock()
	d.most = most
}

// HasUDP reports whether a stream has a UDP socket of its own.
func HasUDP(s *socket.Socket) bool {
	e := s.Unwrap().(*stream)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.udp != nil
}

// SetMaxHandshakes has a listener make fewer handshakes at once.
func SetMaxHandshakes(s *socket.Socket, most int) {
	l := s.Unwrap().(*stream).listener
	l.mu.Lock() // which every arrival takes
	defer l.mu.Unlock()
	l.handshakes.Max = most
}

// BeginClosing has the connection of a stream, which nobody uses any more, be as it is while it
// is being closed for that; end closes it.
func BeginClosing(s *socket.Socket) (end func()) {
	c := s.Unwrap().(*stream).conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = c.quiet != nil
	return c.close
}

// Like returns a fresh socket with the options of another.
func Like(s *socket.Socket) *socket.Socket {
	of := s.Unwrap().(*stream)
	e := newStream(of.kind)
	e.configure(of.prepared)
	return socket.Wrap(e, of.kind)
}

// Lasts is how long the connection of a stream stays without any.
func Lasts(s *socket.Socket) time.Duration { return s.Unwrap().(*stream).conn.lasts }

// DialLate does what a Connect does that has not come far when its socket is closed.
func DialLate(s *socket.Socket) error {
	t, err := s.Unwrap().(*stream).transportToDial()
	if err == nil {
		t.leave()
	}
	return err
}

// QuietTimes is how often the connection of a stream has had no users so far.
func QuietTimes(s *socket.Socket) int {
	c := s.Unwrap().(*stream).conn
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.times
}

// QuietTimer does what the timer of such a time does, and reports whether the connection is closed for
// it.
func QuietTimer(s *socket.Socket, times int) bool {
	c := s.Unwrap().(*stream).conn
	c.closeQuiet(times)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}
