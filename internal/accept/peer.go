package accept

import (
	"fmt"

	"zocalo/socket"
	"zocalo/socket/option"
)

// PeerText names the peer of a connected socket for people: by its name, and
// where it has none, as most unix sockets, by the process that it is.
func PeerText(s *socket.Socket) string {
	var who *socket.Credentials
	if n := s.Peer(); n.IsZero() && s.Domain() == socket.Unix {
		if c, err := option.PeerCredentials.Get(s); err == nil {
			who = &c
		}
	}
	return NameText(s.Peer(), who)
}

// NameText is PeerText of a peer of which only that is known: its name, and the
// process that it is, nil where nothing tells.
func NameText(n socket.Name, who *socket.Credentials) string {
	if text := n.String(); text != "" {
		return text
	}
	if who != nil {
		return fmt.Sprintf("a local program (%v)", *who)
	}
	return "an unnamed peer"
}
