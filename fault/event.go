package fault

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// What faults do, in [Event].
const (
	Lost       = "lost"       // the message is not passed on
	Dropped    = "dropped"    // the same, for want of room or of a way, or after an end
	Delayed    = "delayed"    // by Delay
	Paused     = "paused"     // the stream, for Delay, from Offset on
	Held       = "held"       // until the fault is over, or for Delay
	Slowed     = "slowed"     // from here on
	Cut        = "cut"        // a piece of a stream begins at Offset
	Corrupted  = "corrupted"  // bit Bit of it was flipped
	Duplicated = "duplicated" // the message is passed on twice
	Reordered  = "reordered"  // Distance messages may overtake it
	Truncated  = "truncated"  // the message, to Kept bytes
	Closed     = "closed"     // both ends, at At
	WasReset   = "reset"      // both ends, at At
	Began      = "began"      // the fault, at At
	Ended      = "ended"      // the fault, at At
)

// An Event is what a fault did.
type Event struct {
	Pair      int64
	Direction Direction // Up or Down
	Fault     string    // its name
	Did       string    // such as Lost

	Message int64 // the number of the message in this direction, from 1; 0 on a stream
	Offset  int64 // of the first byte in the stream; 0 for messages
	Bytes   int   // of the message, or of a read of a stream where that is Loose

	Delay    time.Duration // that was drawn
	At       time.Duration // since the pair began, as planned
	Bit      int           // counted from the lowest of the first byte of the piece
	Distance int
	Kept     int // bytes

	// Loose says that another run with the same seed and the same input need not do the same: the
	// system decides where reads of a stream fall.
	Loose bool
}

// tell tells of what was done to an item, which may be nil. The caller holds mu.
func (l *line) tell(it *item, e Event) {
	log := l.plan.Log
	if log == nil {
		return
	}
	e.Pair, e.Direction = l.pair, directionOf(l.side)
	stream := l.class == streams || l.class == unknown
	if it != nil && it.kind == data && (!stream || e.Loose) {
		e.Bytes = len(it.p.Data)
	}
	switch {
	case it == nil:
	case stream:
		e.Offset = max(e.Offset, it.number)
	case it.kind == data:
		e.Message = it.number
	}
	log(e)
}

// AppendJSON appends the event as one line of JSON: what is 0 is left out, but for the number or offset. The keys, and
// their order, are a promise.
func (e Event) AppendJSON(b []byte) []byte {
	b = append(b, `{"pair":`...)
	b = strconv.AppendInt(b, e.Pair, 10)
	text := func(key, v string) {
		b = append(b, `,"`...)
		b = append(b, key...)
		b = append(b, `":`...)
		b = appendString(b, v)
	}
	number := func(key string, v int64) {
		b = append(b, `,"`...)
		b = append(b, key...)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, v, 10)
	}
	seconds := func(key string, d time.Duration) {
		b = append(b, `,"`...)
		b = append(b, key...)
		b = append(b, `":`...)
		b = strconv.AppendFloat(b, d.Seconds(), 'f', -1, 64)
	}
	text("direction", e.Direction.String())
	if e.Message > 0 {
		number("message", e.Message)
	} else {
		number("offset", e.Offset)
	}
	text("fault", e.Fault)
	text("did", e.Did)
	if e.Bytes > 0 {
		number("bytes", int64(e.Bytes))
	}
	if e.Delay > 0 {
		seconds("delay", e.Delay)
	}
	if e.At > 0 {
		seconds("at", e.At)
	}
	if e.Did == Corrupted {
		number("bit", int64(e.Bit))
	}
	if e.Distance > 0 {
		number("distance", int64(e.Distance))
	}
	if e.Did == Truncated {
		number("kept", int64(e.Kept))
	}
	return append(b, '}', '\n')
}

// appendString appends a string of JSON. Names are what people chose.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text { // what is no UTF-8 is U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// String returns the event for people, as "loss lost message 12".
func (e Event) String() string {
	text := e.Fault + " " + e.Did
	switch {
	case e.Message > 0:
		text += " message " + strconv.FormatInt(e.Message, 10)
	case e.Did != Began && e.Did != Ended && e.Did != Closed && e.Did != WasReset:
		text += " what begins at byte " + strconv.FormatInt(e.Offset, 10)
	}
	if e.Delay > 0 {
		text += " by " + e.Delay.String()
	}
	return text
}
