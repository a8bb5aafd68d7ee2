package quic

import "zocalo/socket"

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
