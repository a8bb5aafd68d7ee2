package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
)

// DefaultMaxMessage is the longest message that an [Echoer] sends back where
// MaxMessage does not say, in octets: more than Linux's buffers let through
// unless enlarged (212992), and than any datagram of the Internet has.
const DefaultMaxMessage = 256 << 10

// An Echoer sends back what it receives: RFC 862, and the lecture's server.
// The zero Echoer is ready, and one serves any number of sockets at once. The
// fields must not change once it serves.
type Echoer struct {
	// MaxMessage is the longest message that is sent back, in octets; 0 or
	// less means DefaultMaxMessage, and more than 1 GiB is refused. Longer
	// messages are counted, and not answered. Each socket has a buffer of
	// that size; a stream's is 4 to 64 KiB, whatever this says.
	MaxMessage int

	// OnMessage, if not nil, is called by EchoDatagrams after each message
	// that was sent back, with its sender and its size in octets.
	OnMessage func(peer socket.Name, size int)

	// Allow, if not nil, makes EchoDatagrams pass over messages of senders that
	// are not in it, and Deny over those of senders that are. Deny wins. They
	// know internet addresses; those of connections are a [Server]'s.
	Allow, Deny *List

	// Log is told what could not be sent back, the first time of each reason;
	// nil discards that.
	Log *slog.Logger

	messages, octets, tooLong, unanswered atomic.Int64
}

// EchoCounts are what an [Echoer] has done.
type EchoCounts struct {
	Messages   int64 // sent back, on kinds that have messages
	Octets     int64 // sent back, on all kinds
	TooLong    int64 // messages that were longer than MaxMessage, or than the kind sends
	Unanswered int64 // messages whose sender has no name, or could not be reached
}

// Counts returns what the Echoer has done until now, on all sockets.
func (e *Echoer) Counts() EchoCounts {
	return EchoCounts{e.messages.Load(), e.octets.Load(), e.tooLong.Load(), e.unanswered.Load()}
}

// Echo is [Echoer.Echo] of the zero Echoer.
func Echo(ctx context.Context, c *socket.Socket) error { return new(Echoer).Echo(ctx, c) }

// Echo sends back what a connected socket receives until the peer ends its
// direction, then ends the other where the kind can half-close, and returns
// nil. It does not close the socket. The end of ctx ends it at once, with
// ctx's error, and leaves the socket good only for Close.
//
// On a stream octets come back as they arrive, and urgent data comes back
// urgent: at its place in the stream where the system keeps one (TCP, unix),
// and elsewhere ahead of it, as it came. For that it sets the option
// [socket.OOBInline]. On kinds with message boundaries each message comes back
// as one, also an empty one; one that is too long is counted, never cut; and
// urgent data, where they have it, comes back beside the messages.
func (e *Echoer) Echo(ctx context.Context, c *socket.Socket) error {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(past) })
	err := e.echo(c)
	if !stop() && err != nil {
		return context.Cause(ctx)
	}
	return err
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func (e *Echoer) echo(c *socket.Socket) error {
	var err error
	switch {
	case c.Properties().Urgent == 0:
		err = e.echoOrdinary(c)
	case !c.Type().Bounded() && setInline(c):
		err = e.echoInline(c)
	default:
		err = e.echoBeside(c)
	}
	if err != nil {
		return err
	}
	err = c.Shutdown(socket.Write)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOTCONN) {
		return nil // Close ends it, or the peer has
	}
	return err
}

// echoOrdinary sends back what is not urgent.
func (e *Echoer) echoOrdinary(c *socket.Socket) error {
	if c.Type().Bounded() {
		return e.echoMessages(c)
	}
	return e.copy(c, c.Read)
}

// The sizes of a stream's buffer, in octets: that of an idle connection, and
// that of one whose reads fill it.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

// copy writes to a stream what read takes from it, until its end.
func (e *Echoer) copy(c *socket.Socket, read func([]byte) (int, error)) error {
	b := make([]byte, smallBuffer)
	for {
		n, err := read(b)
		if n > 0 {
			if _, err := c.Write(b[:n]); err != nil {
				return err
			}
			e.octets.Add(int64(n))
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case n == len(b) && n < largeBuffer:
			b = make([]byte, min(4*n, largeBuffer))
		}
	}
}

// echoMessages is echo for kinds with message boundaries.
func (e *Echoer) echoMessages(c *socket.Socket) error {
	b, err := e.buffer()
	if err != nil {
		return err
	}
	for {
		n, err := c.Read(b)
		switch {
		case err == nil:
		case err == io.EOF:
			return nil
		case errors.Is(err, socket.ErrTruncated):
			e.refuse(err)
			continue
		case c.Type() == socket.Datagram && isOneOf(err, unreachable):
			e.leave(c.Peer(), err) // what was sent before did not arrive
			continue
		default:
			return err
		}
		_, err = c.Write(b[:n])
		switch {
		case err == nil:
			e.sent(n)
		case errors.Is(err, syscall.EMSGSIZE):
			e.refuse(err)
		case c.Type() == socket.Datagram && isOneOf(err, unreachable):
			e.leave(c.Peer(), err)
		default:
			return err
		}
	}
}

// unreachable are the errors by which a datagram socket reports that an
// earlier datagram found nobody (ICMP), or that this one did not leave.
var unreachable = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.ENOBUFS,
}

func (e *Echoer) maxMessage() int {
	if e.MaxMessage <= 0 {
		return DefaultMaxMessage
	}
	return e.MaxMessage
}

// mostMaxMessage is the greatest MaxMessage: 1 GiB.
const mostMaxMessage = 1 << 30

// buffer returns memory for the longest message.
func (e *Echoer) buffer() ([]byte, error) {
	if e.MaxMessage > mostMaxMessage {
		return nil, fmt.Errorf("echo: a limit of %d octets a message is more than memory should hold: give at most %d", e.MaxMessage, mostMaxMessage)
	}
	return make([]byte, e.maxMessage()), nil
}

func (e *Echoer) sent(n int) {
	e.messages.Add(1)
	e.octets.Add(int64(n))
}

// refuse counts a message that is too long.
func (e *Echoer) refuse(err error) {
	if e.tooLong.Add(1) == 1 {
		logger(e.Log).Warn("a message was not sent back, for it is too long: raise the limit or send shorter ones; further ones are counted only",
			"limit", e.maxMessage(), "error", err)
	}
}

// leave counts a message whose sender gets no answer.
func (e *Echoer) leave(peer socket.Name, err error) {
	if e.unanswered.Add(1) == 1 {
		logger(e.Log).Warn("a message was not sent back; further ones are counted only", "peer", peer, "error", err)
	}
}
