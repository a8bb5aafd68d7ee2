package quic

import "zocalo/socket"

// SetMaxHandshakes has a listener make fewer handshakes at once.
func SetMaxHandshakes(s *socket.Socket, most int) {
	l := s.Unwrap().(*stream).listener
	l.mu.Lock() // which every arrival takes
	defer l.mu.Unlock()
	l.handshakes.Max = most
}
