package relay

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A Result says what passed between two ends, and how it ended.
type Result struct {
	From [2]Flow // by the Side it came from: From[A] is what A sent to B

	How      How
	Side     Side // where How began: of Reset and Failed
	Duration time.Duration
}

// A Flow is what passed in one direction.
type Flow struct {
	Octets   int64 // written to the far end, urgent ones included; without the marks of formats
	Messages int64 // written whole to the far end, empty ones included; 0 between streams of octets

	Urgent       int64 // urgent messages (octets, in TCP) passed on as urgent
	UrgentInLine int64 // urgent octets that went among the others, for want of urgent data at the far end or because a format cuts the stream

	Refused       int64 // messages that did not fit, and urgent data that had no place to go
	Files         int64 // descriptors passed on
	FilesRefused  int64 // messages, or reads of a stream, whose descriptors were closed: see FilePolicy
	EndOfFile     bool  // the source finished in order, and all it sent was written
	EndOfFileTold bool  // the far end knows of it, by a half-close
}

// A Progress says what has passed so far in a join that goes on. Its zero value
// is ready to use, for one join.
type Progress struct {
	octets, messages [2]atomic.Int64
}

// From returns the octets and messages of an end that were written to the
// other.
func (p *Progress) From(s Side) (octets, messages int64) {
	return p.octets[s].Load(), p.messages[s].Load()
}

func (p *Progress) add(from Side, octets int, what What) {
	p.octets[from].Add(int64(octets))
	if what == Message {
		p.messages[from].Add(1)
	}
}

// How says how a join ended.
type How int

// The ways in which a join ends.
const (
	Finished  How = iota // both ends finished in order
	Reset                // one reset the connection, or took no more; the other was reset
	Idle                 // nothing passed for the time that Options give
	Lifetime             // Options.Lifetime is over
	Cancelled            // the context ended
	Failed               // an end failed for another reason; the other was reset
)

var howNames = [...]string{"finished", "reset", "idle", "lifetime over", "cancelled", "failed"}

// String returns how it ended in a word or two, as "finished" or "reset".
func (h How) String() string {
	if h < 0 || int(h) >= len(howNames) {
		return fmt.Sprintf("how %d", int(h))
	}
	return howNames[h]
}

// An EndError is the failure of one end. It wraps the socket's error, which
// names the operation and both addresses.
type EndError struct {
	Side Side
	Err  error
}

// Error returns the socket's error with the end before it.
func (e *EndError) Error() string { return fmt.Sprintf("relay: end %v: %v", e.Side, e.Err) }

// Unwrap returns the socket's error.
func (e *EndError) Unwrap() error { return e.Err }
