package main

import (
	"zocalo/internal/accept"
	"zocalo/internal/units"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// connected is what --json prints of a conversation that begins.
type connected struct {
	Event string `json:"event"` // "connected"
	Kind  string `json:"kind"`
	Name  string `json:"name"` // of our end; "" where it has none
	Peer  string `json:"peer"`

	Layers layerFacts `json:"layers,omitempty"` // what they agreed on with the peer
}

// sayConnected names both ends of the pair, the origin of the connection
// first: to programs always, to people with -v.
func (c *conversation) sayConnected(s *socket.Socket, passive bool) error {
	if c.json {
		return c.printJSON(connected{"connected", s.Kind().String(), s.Name().String(), s.Peer().String(), factsOf(s)})
	}
	if !c.verbose {
		return nil
	}
	origin, destination := s.Name().String(), accept.PeerText(s)
	if origin == "" {
		origin = "an unnamed socket"
	}
	if passive {
		origin, destination = destination, origin
	}
	c.sayf("connected from %s to %s (%v)", origin, destination, s.Kind())
	if facts := s.Facts().String(); facts != "" {
		c.sayf("%s", facts)
	}
	return nil
}

// saySender names who sent a message that is about to be shown, where the socket
// hears several: each time with -v, once where listen names all who come.
func (c *conversation) saySender(n socket.Name) {
	switch {
	case c.verbose:
		c.sayf("message from %s", accept.NameText(n, nil))
	case c.greeted != nil && c.greeted.isNew(n):
		c.sayf("connected by %s", accept.NameText(n, nil))
	}
}

// ended is what --json prints of a conversation that is over.
type ended struct {
	Event    string  `json:"event"` // "ended"
	How      string  `json:"how"`   // "finished", "reset", "idle", "cancelled" or "failed"
	Sent     passed  `json:"sent"`
	Received passed  `json:"received"`
	Seconds  float64 `json:"seconds"`
	Error    string  `json:"error,omitempty"`
}

// passed is one direction of it.
type passed struct {
	Bytes     int64 `json:"bytes"`
	Messages  int64 `json:"messages,omitempty"`
	Urgent    int64 `json:"urgent,omitempty"`  // bytes
	Refused   int64 `json:"refused,omitempty"` // messages that did not fit
	EndOfFile bool  `json:"end_of_file"`       // it finished in order
}

func newPassed(f outcome.Flow) passed {
	return passed{f.Bytes, f.Messages, int64(f.Urgent) + int64(f.UrgentInLine), int64(f.Refused), f.EndOfFile}
}

// sayEnded says what passed and how it ended: to programs always, to people
// with -v.
func (c *conversation) sayEnded(r outcome.Result, err error) error {
	sent, received := newPassed(r.From[outcome.A]), newPassed(r.From[outcome.B])
	switch {
	case c.json && !isBrokenOutput(err):
		e := ended{"ended", r.How.String(), sent, received, r.Duration.Seconds(), ""}
		if _, isStatus := err.(statusError); err != nil && !isStatus {
			e.Error = oneLine(err)
		}
		return c.printJSON(e)
	case c.verbose:
		c.sayf("%v after %s: sent %v, received %v", r.How, units.Time(r.Duration), sent, received)
	}
	return nil
}

// String returns it for people, as "54 bytes in 1 message".
func (p passed) String() string {
	text := units.Plural(p.Bytes, "byte")
	if p.Messages > 0 {
		text += " in " + units.Plural(p.Messages, "message")
	}
	return text
}
