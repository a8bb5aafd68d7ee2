package relay

import (
	"fmt"
	"time"

	"zocalo/frame"
	"zocalo/socket"
)

// Options of [Join]. The zero value is good: no timers and no hooks.
type Options struct {
	// MaxMessage is the longest message in octets, in either direction: a
	// longer one is refused and counted. 0 or less means what the kind
	// carries in practice: 64 KiB for internet datagrams, else 256 KiB, which
	// is more than a unix socket takes with Linux's usual buffers. More than
	// [frame.MaxSize] is refused, since each end that keeps boundaries by
	// itself needs that much memory at once.
	MaxMessage int

	// Idle ends the join when nothing passed in either direction for so long.
	// 0 or less is never.
	Idle time.Duration

	// IdleAfterEOF is the same after an end-of-file of which the far end
	// cannot be told, as a datagram socket. 0 or less is never: only Idle,
	// Lifetime or the context then end the join.
	IdleAfterEOF time.Duration

	// Lifetime ends the join after so long, whatever passes. 0 or less is
	// never.
	Lifetime time.Duration

	// Files says what happens to descriptors that come over a unix socket.
	Files FilePolicy

	// Pace, if not nil, says how fast data may pass: it waits until some of n
	// octets from a side may be written, and returns how many, at least 1. It
	// returns at once when done is closed. Octets are then written little by
	// little; messages and urgent data stay whole, and wait until all of theirs
	// may pass. Waiting is no idleness.
	Pace func(done <-chan struct{}, from Side, n int) int

	// Progress, if not nil, is kept up to date with what has passed, for who
	// wants to know before the join ends.
	Progress *Progress

	// OnData sees what came from an end, before it is written to the other:
	// one read of a stream, a message, or urgent data. data is valid during
	// the call only. Calls for one side do not overlap, except that urgent
	// data of kinds without SO_OOBINLINE may come while another piece waits
	// to be written; those for the two sides do.
	OnData func(from Side, what What, data []byte)

	// OnEOF sees that an end has finished in order: all that it sent was
	// written, and the other was told where it can be. Who knows that the end
	// takes no more either, as a program that has exited, may now cancel the
	// context.
	OnEOF func(from Side)

	// OnRefused sees why a message of an end was refused, or its descriptors.
	OnRefused func(from Side, err error)
}

// What says what a piece of data is.
type What int

// The pieces of data.
const (
	Octets  What = iota // one read of a stream
	Message             // a message, whole
	Urgent              // urgent data
)

const (
	inetMessage  = 64 << 10
	otherMessage = 256 << 10
)

// maxMessage is the longest message to take from, or give to, an end.
func (o *Options) maxMessage(s *socket.Socket) int {
	switch d := s.Domain(); {
	case o.MaxMessage > 0:
		return o.MaxMessage
	case s.Type().Bounded() && (d == socket.Inet || d == socket.Inet6):
		return inetMessage
	}
	return otherMessage
}

func (o *Options) check() error {
	if o.MaxMessage > frame.MaxSize {
		return fmt.Errorf("relay: a limit of %d octets a message is more than memory should hold: give at most %d", o.MaxMessage, frame.MaxSize)
	}
	return nil
}
