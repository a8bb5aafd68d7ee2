package relay

import (
	"fmt"

	"zocalo/frame"
	"zocalo/socket"
)

// An End is one of the two that [Join] joins: a connected socket, and, where it
// carries octets and the other end messages, how its octets are cut.
type End struct {
	Socket *socket.Socket

	// Format cuts what is read into messages, and marks those that are
	// written. The zero Format is none: the octets pass as they come. A kind
	// that keeps boundaries by itself takes none.
	Format frame.Format

	// Whole makes one message of all that is read up to end-of-file, which
	// may be empty, and is refused if longer than Options.MaxMessage. Format
	// then only serves to write; without it, messages are written as they
	// are, one after the other.
	Whole bool

	// Text writes messages for people, whatever Format says: each as it is,
	// with a newline after it unless it ends in one. It refuses none.
	Text bool

	first *firstMessage // of FirstPeer
}

// A Side names one of the two ends, in the order of Join's arguments.
type Side int

// The sides.
const (
	A Side = iota
	B
)

// String returns "A" or "B".
func (s Side) String() string { return string('A' + rune(s)) }

func (s Side) other() Side { return 1 - s }

// cut reports whether the end's octets are made messages.
func (e *End) cut() bool { return e.Format != frame.Format{} || e.Whole || e.Text }

// bounded reports whether the socket keeps boundaries by itself.
func (e *End) bounded() bool { return e.Socket.Properties().Bounded }

// messages reports whether messages pass at the end, rather than octets.
func (e *End) messages() bool { return e.cut() || e.bounded() }

// halfClosable reports whether the end could be told of an end-of-file. To
// shut a datagram socket down tells its peer nothing, and a pipe that promises
// nothing can still be closed.
func (e *End) halfClosable() bool {
	p := e.Socket.Properties()
	return p.Connected || !p.Bounded
}

// A NeedsFormatError refuses to join an end of octets with one of messages:
// nothing says where a message ends.
type NeedsFormatError struct {
	Side     Side        // the end that needs a format
	Octets   socket.Kind // of that end
	Messages socket.Kind // of the other
	Framed   bool        // the other is a stream with a format
}

// Error names what to add.
func (e *NeedsFormatError) Error() string {
	other := "carries messages"
	if e.Framed {
		other = "is cut into messages"
	}
	return fmt.Sprintf("relay: end %v (%v) carries octets and end %v (%v) %s: say where a message ends on %[1]v, as frame=lines or frame=len32, or frame=chunk:64KiB for no agreement at all",
		e.Side, kindText(e.Octets), e.Side.other(), kindText(e.Messages), other)
}

// kindText is a kind as people know it: a descriptor that is no socket has no
// kind of its own.
func kindText(k socket.Kind) string {
	if k.Domain == socket.Unspecified {
		return "a descriptor"
	}
	return k.String()
}

// check refuses ends that cannot be joined.
func check(ends *[2]End) error {
	for side := range ends {
		e := &ends[side]
		switch {
		case e.Socket == nil:
			return fmt.Errorf("relay: end %v has no socket", Side(side))
		case e.bounded() && e.cut():
			return fmt.Errorf("relay: end %v (%v) keeps message boundaries by itself: give it no format", Side(side), kindText(e.Socket.Kind()))
		case e.Text && !e.Whole && e.Format == frame.Format{}:
			return fmt.Errorf("relay: end %v says how messages are written and not how its octets are cut: give it a format, as lines", Side(side))
		}
	}
	for side := range ends {
		e, other := &ends[side], &ends[1-side]
		if !e.messages() && other.messages() {
			return &NeedsFormatError{Side: Side(side), Octets: e.Socket.Kind(), Messages: other.Socket.Kind(), Framed: other.cut()}
		}
	}
	return nil
}
