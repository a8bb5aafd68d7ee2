package main

import (
	"zocalo/internal/accept"
	"zocalo/socket"
)

// layerFacts are what layers know of a connection, by layer and name, for JSON.
type layerFacts map[string]map[string]string

func factsOf(s *socket.Socket) layerFacts {
	var all layerFacts
	for _, f := range s.Facts() {
		if f.Name == "" {
			continue
		}
		if all == nil {
			all = layerFacts{}
		}
		if all[f.Layer] == nil {
			all[f.Layer] = map[string]string{}
		}
		if before := all[f.Layer][f.Name]; before != "" {
			f.Value = before + ", " + f.Value
		}
		all[f.Layer][f.Name] = f.Value
	}
	return all
}

// handshake is what --json prints of a connection whose layers are ready.
type handshake struct {
	Event  string     `json:"event"` // "handshake"
	Peer   string     `json:"peer"`
	Layers layerFacts `json:"layers"`
}

// sayHandshake says what the layers of an accepted connection agreed on, or why they
// did not.
func (a *app) sayHandshake(p *passive, c *socket.Socket, err error) {
	switch {
	case err != nil:
		a.log.Info("handshake failed", "listener", p.address.Scheme.Name, "peer", accept.PeerText(c), "error", err)
	case a.json:
		if facts := factsOf(c); facts != nil {
			a.printEvent(handshake{"handshake", c.Peer().String(), facts})
		}
	case a.verbose:
		a.log.Debug("handshake done", "peer", accept.PeerText(c), "facts", c.Facts().String())
	}
}
