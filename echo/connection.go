package echo

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"zocalo/frame"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/socket"
)

// An Echoer sends back what it receives. The zero Echoer is ready, and one
// serves any number of sockets at once. The fields must not change once it
// serves.
type Echoer struct {
	// MaxMessage is the longest message that is sent back, in bytes; 0 or
	// less means what the kind carries in practice, as in [join.Options], and
	// more than [frame.MaxSize] is refused. Longer messages are counted, and not
	// answered.
	MaxMessage int

	// Format, if not zero, cuts streams into messages: each comes back in one
	// write, once it is whole.
	Format frame.Format

	// Idle ends a connection over which nothing passed for so long; 0 or less
	// is never.
	Idle time.Duration

	// OnMessage, if not nil, is called by Datagrams after each message that was
	// sent back, with its sender and its size in bytes.
	OnMessage func(peer socket.Name, size int)

	// Progress, if not nil, is kept up to date with what has been sent back, where the Echoer
	// serves one connection.
	Progress *join.Progress

	// Allow, if not nil, makes Datagrams pass over messages of senders that are
	// not in it, and Deny over those of senders that are. Deny wins. Those of
	// connections are a [server.Server]'s.
	Allow, Deny *server.List

	// Log is told what could not be sent back, the first time of each reason;
	// nil discards that.
	Log *slog.Logger

	messages, bytes, refused, unanswered atomic.Int64
}

// Counts are what an [Echoer] has sent back: of connections that are over, and
// of datagrams until now.
type Counts struct {
	Messages   int64 // on kinds that have messages
	Bytes      int64 // on all kinds
	Refused    int64 // messages that were longer than MaxMessage, or than the kind sends
	Unanswered int64 // messages whose sender has no name, or could not be reached
}

// Counts returns what the Echoer has done.
func (e *Echoer) Counts() Counts {
	return Counts{e.messages.Load(), e.bytes.Load(), e.refused.Load(), e.unanswered.Load()}
}

// Connection is [Echoer.Connection] of the zero Echoer.
func Connection(ctx context.Context, c *socket.Socket) error {
	return new(Echoer).Connection(ctx, c)
}

// Connection sends back what a connected socket receives, by the rules of
// [join.Join], until its peer ends its direction; it then ends the other, closes
// the socket, and returns nil. The end of ctx resets the connection, and is the
// error.
func (e *Echoer) Connection(ctx context.Context, c *socket.Socket) error {
	r, err := join.Echo(ctx, join.End{Socket: c, Format: e.Format}, join.Options{
		MaxMessage: e.MaxMessage,
		Idle:       e.Idle,
		Progress:   e.Progress,
		OnRefused: func(_ outcome.Side, err error) {
			if !errors.Is(err, socket.ErrDescriptorsRefused) { // what they came with is sent back
				e.refuse(err)
			}
		},
	})
	e.messages.Add(r.From[outcome.A].Messages)
	e.bytes.Add(r.From[outcome.A].Bytes)
	var failed *outcome.EndError // there is only one end: its name says nothing
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// refuse counts a message that is too long.
func (e *Echoer) refuse(err error) {
	if e.refused.Add(1) == 1 {
		e.warn("a message was not sent back because it is too long: raise the limit or send shorter ones; further ones are counted only", "error", err)
	}
}

// leave counts a message whose sender gets no answer.
func (e *Echoer) leave(peer socket.Name, err error) {
	if e.unanswered.Add(1) == 1 {
		e.warn("a message was not sent back; further ones are counted only", "peer", peer, "error", err)
	}
}

func (e *Echoer) warn(text string, args ...any) {
	if e.Log != nil {
		e.Log.Warn(text, args...)
	}
}
