package server

import (
	"fmt"

	"zocalo/socket"
)

// PeerText names the peer of a connected socket for people: by its name, and
// where it has none, as most unix sockets, by the process that it is.
func PeerText(s *socket.Socket) string {
	if text := s.Peer().String(); text != "" {
		return text
	}
	if c, err := socket.PeerCredentials.Get(s); err == nil && s.Domain() == socket.Unix {
		return fmt.Sprintf("a local program (%v)", c)
	}
	return "an unnamed peer"
}
