package join

import (
	"context"
	"fmt"
	"time"

	"zocalo/frame"
	"zocalo/internal/pass"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// Options of [Join]. The zero value is good: no timers and no hooks.
type Options struct {
	// MaxMessage is the longest message in bytes, in either direction: a
	// longer one is refused and counted. 0 or less means what the kind
	// carries in practice: its own bound where it has one, as ws, 64 KiB for internet
	// datagrams, else 256 KiB, which is more than a unix socket takes with Linux's usual
	// buffers. More than
	// [frame.MaxSize] is refused, since each end that keeps boundaries by
	// itself needs that much memory at once.
	MaxMessage int

	// Idle ends the join when nothing passed in either direction for so long: by
	// a reset of both ends, unless one has datagrams, for which silence is the only
	// end. 0 or less is never.
	Idle time.Duration

	// IdleAfterEOF is the same after an end-of-file of which the far end
	// cannot be told, as a datagram socket: that is an end in order, unless Idle is
	// shorter. 0 or less is never: only Idle, Lifetime or the context then end the
	// join.
	IdleAfterEOF time.Duration

	// Lifetime ends the join after so long, whatever passes, by a reset of both
	// ends. 0 or less is never.
	Lifetime time.Duration

	// CancelInOrder closes both ends in order when the context ends, for a caller
	// whose end it is, as that of a person. Without it what is open then was cut
	// short, and is reset.
	CancelInOrder bool

	// Confirm makes the join end in order only once the systems of TCP peers have
	// acknowledged what was written last, for at most 2 s: one that has closed
	// meanwhile fails it (Linux).
	Confirm bool

	// OneWay passes on what the first end sends, and nothing the other way: what the
	// second sends is not read, and the first is told of no end. The join is over, in
	// order, once all that came has been acknowledged as far as Confirm can tell.
	OneWay bool

	// Drop, with OneWay, reads what the second end sends and drops it: a program that
	// nobody reads would wait for ever. The join then ends with both.
	Drop bool

	// Files says what happens to descriptors that come over a unix socket.
	Files pass.FilePolicy

	// Pace, if not nil, says how fast data may pass: it waits until some of n
	// bytes from a side may be written, and returns how many, at least 1. It
	// returns at once when done is closed. Bytes are then written little by
	// little; messages and urgent data stay whole, and wait until all of theirs
	// may pass. Waiting is no idleness.
	Pace Pace

	// Progress, if not nil, is kept up to date with what has passed, for whoever
	// wants to know before the join ends.
	Progress *Progress

	// Filter, if not nil, makes what stands in the way of what an end sends; nil is
	// nothing. It is called for each end before anything passes. ctx ends with the
	// join.
	Filter func(ctx context.Context, from outcome.Side, next func(Piece) error) Filter

	// OnPassed is told of each piece, or part of one, that was written.
	OnPassed func(from outcome.Side, bytes, messages int)

	// OnEOF sees that an end has finished in order: all that it sent was
	// written, and the other was told where it can be.
	OnEOF func(from outcome.Side)

	// OnRefused sees why a message of an end was refused, or its descriptors.
	OnRefused func(from outcome.Side, err error)
}

// A Pace is the func of [Options.Pace].
type Pace func(done <-chan struct{}, from outcome.Side, n int) int

// What says what a piece of data is.
type What int

// The pieces of data.
const (
	Bytes   What = iota // one read of a stream
	Message             // a message, whole
	Urgent              // urgent data

	// What a filter gives to next to end the join, with Piece.Why as the error of it; data
	// that comes with them is dropped.
	CloseBoth // both ends are half-closed once what was given before it is written, then closed; what they still send is dropped
	ResetBoth // both ends are reset at once
)

const (
	inetMessage  = 64 << 10
	otherMessage = 256 << 10
)

// A bound is an end of a kind with a bound of its own on messages.
type bound interface{ LongestMessage() int }

// Limit is the longest message to take from, or give to, an end.
func (o *Options) Limit(s *socket.Socket) int {
	own, has := socket.As[bound](s)
	switch d := s.Domain(); {
	case o.MaxMessage > 0:
		return o.MaxMessage
	case has:
		return min(own.LongestMessage(), frame.MaxSize)
	case s.Type().Bounded() && (d == socket.Inet || d == socket.Inet6):
		return inetMessage
	}
	return otherMessage
}

func (o *Options) check() error {
	if o.MaxMessage > frame.MaxSize {
		return fmt.Errorf("relay: a limit of %d bytes a message is more than memory should hold: give at most %d", o.MaxMessage, frame.MaxSize)
	}
	return nil
}
