package datagrams

import (
	"sync/atomic"

	"zocalo/relay"
)

// counters are Totals, counted by a loop and read by anybody.
type counters struct {
	sessions, open                           atomic.Int64
	octets, messages, refused, dropped       [2]atomic.Int64
	turnedAway, overflowed, errors, madeRoom atomic.Int64
}

func (c *counters) load() Totals {
	t := Totals{
		Sessions: c.sessions.Load(), Open: c.open.Load(),
		TurnedAway: c.turnedAway.Load(), Overflowed: c.overflowed.Load(),
		Errors: c.errors.Load(), MadeRoom: c.madeRoom.Load(),
	}
	for side := range t.From {
		t.From[side] = relay.Flow{Octets: c.octets[side].Load(), Messages: c.messages[side].Load(), Refused: c.refused[side].Load()}
		t.Dropped[side] = c.dropped[side].Load()
	}
	return t
}
