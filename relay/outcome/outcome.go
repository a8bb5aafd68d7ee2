// Package outcome says what passed between the two ends of a pair, and how it ended, in
// the words of every engine of a relay.
package outcome

import (
	"fmt"
	"time"
)

// A Side names one of two ends that are joined: A is the one that came, B the one
// that was reached for it.
type Side uint8

// The sides.
const (
	A Side = iota
	B
)

// String returns "A" or "B".
func (s Side) String() string { return string('A' + rune(s)) }

// Other returns the other side.
func (s Side) Other() Side { return 1 - s }

// A Result says what passed between two ends, and how it ended.
type Result struct {
	From [2]Flow // by the Side it came from: From[A] is what A sent to B

	How      EndReason
	Side     Side // where How began: of Reset and Failed
	Duration time.Duration
}

// A Flow is what passed in one direction. It is kept small, since every
// connection has two.
type Flow struct {
	Bytes    int64 // written to the far end, urgent ones included; without the marks of formats
	Messages int64 // written whole to the far end, empty ones included; 0 between streams of bytes

	Urgent       uint32 // urgent messages (bytes, in TCP) passed on as urgent
	UrgentInLine uint32 // urgent bytes that went among the others, for want of urgent data at the far end or because a format cuts the stream

	Refused       uint32 // messages that did not fit, and urgent data that had no place to go
	Dropped       uint32 // datagrams lost on their way
	Files         uint32 // descriptors passed on
	FilesRefused  uint32 // messages, or reads of a stream, whose descriptors were closed: see relay.Config.PassFiles
	EndOfFile     bool   // the source finished in order, and all it sent was written
	EndOfFileTold bool   // the far end knows of it, by a half-close
}

// An EndReason says how what passes between two ends came to its end.
type EndReason uint8

// The reasons.
const (
	Finished  EndReason = iota // both ends finished in order
	Reset                      // one reset the connection, or took no more; the other was reset
	Idle                       // nothing passed for the time that it may be so
	Lifetime                   // its time was over
	Cancelled                  // whoever joined them ended it
	Failed                     // an end failed for another reason; the other was reset
)

var reasonNames = [...]string{"finished", "reset", "idle", "lifetime over", "cancelled", "failed"}

// String returns the reason in a word or two, as "finished" or "reset".
func (r EndReason) String() string {
	if int(r) >= len(reasonNames) {
		return fmt.Sprintf("reason %d", int(r))
	}
	return reasonNames[r]
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
