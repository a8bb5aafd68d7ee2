package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"zocalo/relay"
)

// A Direction is which way data goes.
type Direction uint8

// The directions. Of a relay, Up is what the peer of FROM sends; of a connection that a program has made, what the program writes.
const (
	Both Direction = iota // as a fault's; each then has draws of its own
	Up                    // towards the server
	Down                  // towards the client
)

var directionNames = [...]string{"both", "up", "down"}

// String returns "both", "up" or "down".
func (d Direction) String() string {
	if int(d) >= len(directionNames) {
		return fmt.Sprintf("direction %d", int(d))
	}
	return directionNames[d]
}

func (d Direction) has(side relay.Side) bool { return d == Both || d == directionOf(side) }

func directionOf(side relay.Side) Direction { return Up + Direction(side) }

// A Fault is an effect with where and when it holds.
type Fault struct {
	// Name tells it from the others of a plan, and is part of what seeds its draws. "" is the
	// effect's word, as "latency", with #2 and so on where that is taken.
	Name string

	Direction Direction
	Effect    Effect
	Timing

	// Pairs are the numbers of the pairs that it is for, from and to inclusive; none is all.
	Pairs []Range

	// Share of the pairs that it is for, drawn for each pair: 0.5 is half of them. 0 is
	// all, negative is none. toxiproxy calls it toxicity.
	Share float64
}

// A Range is of pair numbers, both ends included. A To of 0 is no end.
type Range struct{ From, To int64 }

// Timing says when a fault holds. The zero Timing is always.
type Timing struct {
	After time.Duration // it begins so long after the pair did
	For   time.Duration // it holds so long; 0 is on to the end
	Every time.Duration // it begins again each time so long after it last began; 0 is not
	Times int           // how often it holds at most, with Every; 0 is without end

	// Together makes times count from the plan's beginning, which is when its first pair began, so that all pairs
	// have the fault at once.
	Together bool
}

// Carried is what a side sends, which decides whether an effect makes sense.
type Carried uint8

// What sides send.
const (
	Unknown   Carried = iota // until something comes
	Bytes                    // a stream
	Messages                 // of a kind that connects, or cut out of a stream
	Datagrams                // of a kind that drops what there is no room for
)

const (
	unknown   = Unknown
	streams   = Bytes
	messages  = Messages
	datagrams = Datagrams
)

var classNames = [...]string{"", "streams", "messages", "datagrams"}

// Senseless says why a fault can do nothing where its directions carry these, "" where it can.
func (f *Fault) Senseless(up, down Carried) string {
	for direction, c := range map[Direction]Carried{Up: up, Down: down} {
		if f.Direction != Both && f.Direction != direction || c == Unknown {
			continue
		}
		if why := f.Effect.senseless(c); why != "" {
			return fmt.Sprintf("it does nothing on %s: %s", classNames[c], why)
		}
	}
	return ""
}

// An Effect is what a fault does: one of the types of this package, from [Latency] to [Blackhole].
type Effect interface {
	// String returns the effect in the words of [Parse].
	String() string

	word() string
	check() error
	senseless(Carried) string // why it makes no sense there, "" where it does
	start() stage
}

// Check says what is wrong with a fault, nil if nothing is.
func (f *Fault) Check() error {
	switch {
	case f.Effect == nil:
		return errors.New("the fault has no effect")
	case f.Direction > Down:
		return fmt.Errorf("%v is not a direction", f.Direction)
	case f.After < 0 || f.For < 0 || f.Every < 0 || f.Times < 0:
		return errors.New("times must not be negative")
	case f.Every > 0 && f.For == 0:
		return errors.New("every= needs for=: how long it holds each time")
	case f.Every > 0 && f.For >= f.Every:
		return fmt.Errorf("every=%v must be longer than for=%v", f.Every, f.For)
	case f.Times > 0 && f.Every == 0:
		return errors.New("times= needs every=: how long after one start the next one comes")
	case f.Share > 1:
		return fmt.Errorf("a share of %v is more than 100%%", f.Share)
	case strings.ContainsAny(f.Name, "@,=:\n"):
		return fmt.Errorf("the name %q has a comma, or @, = or : in it", f.Name)
	}
	for _, r := range f.Pairs {
		if r.From < 1 || r.To != 0 && r.To < r.From {
			return fmt.Errorf("pairs %v: they count from 1, and the last is not before the first", r)
		}
	}
	return f.Effect.check()
}

// String returns "1", "2-5" or "7-".
func (r Range) String() string {
	switch r.To {
	case r.From:
		return fmt.Sprint(r.From)
	case 0:
		return fmt.Sprintf("%d-", r.From)
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}

// String returns the fault in the words of [Parse].
func (f Fault) String() string {
	var b strings.Builder
	if f.Name != "" {
		b.WriteString(f.Name + "@")
	}
	if f.Direction != Both {
		b.WriteString(f.Direction.String() + ":")
	}
	if f.Effect == nil {
		return b.String() + "nothing"
	}
	b.WriteString(f.Effect.String())
	option := func(is bool, format string, v any) {
		if is {
			fmt.Fprintf(&b, ","+format, v)
		}
	}
	option(f.After > 0, "after=%v", f.After)
	option(f.For > 0, "for=%v", f.For)
	option(f.Every > 0, "every=%v", f.Every)
	option(f.Times > 0, "times=%v", f.Times)
	option(f.Together, "clock=%v", "plan")
	for _, r := range f.Pairs {
		option(true, "pairs=%v", r)
	}
	option(f.Share > 0 && f.Share < 1, "pairs=%v", percent(f.Share))
	option(f.Share < 0, "pairs=%v", "0%")
	return b.String()
}

// for reports whether the fault is for a pair, by its number.
func (f *Fault) forPair(pair int64) bool {
	for _, r := range f.Pairs {
		if pair >= r.From && (r.To == 0 || pair <= r.To) {
			return true
		}
	}
	return len(f.Pairs) == 0
}

// forever is a time that never comes.
const forever = time.Duration(1<<63 - 1)

// at reports whether the timing holds at a time since the beginning, since and until when that is so.
func (t *Timing) at(now time.Duration) (holds bool, since, until time.Duration) {
	switch {
	case now < t.After:
		return false, 0, t.After
	case t.For == 0:
		return true, t.After, forever
	case t.Every == 0:
		if end := t.After + t.For; now < end {
			return true, t.After, end
		}
		return false, t.After + t.For, forever
	}
	turn := (now - t.After) / t.Every
	since = t.After + turn*t.Every
	switch {
	case t.Times > 0 && turn >= time.Duration(t.Times):
		return false, t.After + time.Duration(t.Times-1)*t.Every + t.For, forever
	case now < since+t.For:
		return true, since, since + t.For
	case t.Times > 0 && turn+1 >= time.Duration(t.Times):
		return false, since + t.For, forever
	}
	return false, since + t.For, since + t.Every
}
