package datagrams

import (
	"sync/atomic"
)

// counters are Totals, counted by a loop and read by anybody.
type counters struct {
	sessions, open                           atomic.Int64
	bytes, messages, refused, dropped        [2]atomic.Int64
	turnedAway, overflowed, errors, madeRoom atomic.Int64
}

func (c *counters) load() Totals {
	t := Totals{
		Sessions: c.sessions.Load(), Open: c.open.Load(),
		TurnedAway: c.turnedAway.Load(), Overflowed: c.overflowed.Load(),
		Errors: c.errors.Load(), MadeRoom: c.madeRoom.Load(),
	}
	for side := range t.From {
		t.From[side] = Passed{c.bytes[side].Load(), c.messages[side].Load(), c.refused[side].Load(), c.dropped[side].Load()}
	}
	return t
}
