package join

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"zocalo/frame"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// An End is one of the two that [Join] joins: a connected socket, and, where it
// carries bytes and the other end messages, how its bytes are cut.
type End struct {
	Socket *socket.Socket

	// Format cuts what is read into messages, and marks those that are
	// written. The zero Format is none: the bytes pass as they come. A kind
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

	// KeepOpen tells the end of no end-of-file: its sending side stays open until it
	// has finished by itself.
	KeepOpen bool

	first *firstMessage // of FirstPeer
}

// cut reports whether the end's bytes are made messages.
func (e *End) cut() bool { return e.Format != frame.Format{} || e.Whole || e.Text }

// bounded reports whether the socket keeps boundaries by itself.
func (e *End) bounded() bool { return e.Socket.Properties().Bounded }

// messages reports whether messages pass at the end, rather than bytes.
func (e *End) messages() bool { return e.cut() || e.bounded() }

// halfClosable reports whether the end could be told of an end-of-file. To
// shut a datagram socket down tells its peer nothing, and a pipe that promises
// nothing can still be closed.
func (e *End) halfClosable() bool {
	p := e.Socket.Properties()
	return p.Connected || !p.Bounded
}

// silence reports whether the end has no end-of-file: silence is all the end that
// datagrams have.
func (e *End) silence() bool { return !e.halfClosable() }

// resets reports whether the kind tells a connection that was cut short from
// one that ended: layers do, as TLS.
func (e *End) resets() bool {
	k := e.Socket.Kind()
	return k.Layers != "" || k.Domain != socket.Unix
}

// leftUnread reports whether an error of reading says no more than that the peer
// has closed with input unread, as a kind without resets does, once and maybe ahead
// of what the peer had sent: that is still to be read, to its end.
func (e *End) leftUnread(err error) bool {
	return err != nil && !e.resets() && e.connected() && errors.Is(err, syscall.ECONNRESET)
}

// connected reports whether a peer reads and writes at the far side of the end,
// which may be gone, or be reset.
func (e *End) connected() bool { return e.Socket.Properties().Connected || e.closesWhole() }

// acknowledged reports whether the peer has all that was written, as far as the end
// knows.
func (e *End) acknowledged() bool {
	a, knows := socket.As[socket.Acknowledger](e.Socket)
	return !knows || a.Acknowledged()
}

// closesWhole reports whether the end-of-file of the end is that of both
// directions by its kind.
func (e *End) closesWhole() bool {
	_, whole := socket.As[socket.WholeCloser](e.Socket)
	return whole
}

// tellsOver returns the descriptor of a connection of which the system tells when
// it is at its end in both directions, or was reset; nil where it does not.
func (e *End) tellsOver() syscall.RawConn {
	d := e.Socket.Domain()
	if _, ok := socket.As[socket.Descriptor](e.Socket); !ok || !e.connected() || d != socket.Unix && d != socket.Inet && d != socket.Inet6 {
		return nil
	}
	raw, err := e.Socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// over reports whether the end is over in both directions, as far as the system
// tells.
func (e *End) over() (is bool) {
	if raw := e.tellsOver(); raw != nil {
		raw.Control(func(fd uintptr) { is, _, _ = sys.Hangup(int(fd)) })
	}
	return is
}

// awaitOver waits until an end that has finished is over in both directions, and
// reports whether it is: not where the end was closed here, or nothing tells.
func (e *End) awaitOver() (is bool) {
	if raw := e.tellsOver(); raw != nil {
		raw.Read(func(fd uintptr) bool {
			is, _, _ = sys.Hangup(int(fd))
			return is
		})
	}
	return is
}

// wasCut is the error of a reset that no call was told.
func (e *End) wasCut() error {
	s := e.Socket
	return &net.OpError{Op: "read", Net: s.Kind().String(), Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// A NeedsFormatError refuses to join an end of bytes with one of messages:
// nothing says where a message ends.
type NeedsFormatError struct {
	Side     outcome.Side // the end that needs a format
	Bytes    socket.Kind  // of that end
	Messages socket.Kind  // of the other
	Framed   bool         // the other is a stream with a format
}

// Error names what to add.
func (e *NeedsFormatError) Error() string {
	other := "carries messages"
	if e.Framed {
		other = "is cut into messages"
	}
	return fmt.Sprintf("relay: end %v (%v) carries bytes and end %v (%v) %s: say where a message ends on %[1]v, such as frame=lines or frame=len32, or frame=chunk:64KiB if the two sides have agreed on nothing",
		e.Side, kindText(e.Bytes), e.Side.Other(), kindText(e.Messages), other)
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
			return fmt.Errorf("relay: end %v has no socket", outcome.Side(side))
		case e.bounded() && e.cut():
			return fmt.Errorf("relay: end %v (%v) keeps message boundaries by itself: give it no format", outcome.Side(side), kindText(e.Socket.Kind()))
		case e.Text && !e.Whole && e.Format == frame.Format{}:
			return fmt.Errorf("relay: end %v says how messages are written and not how its bytes are cut: give it a format, such as lines", outcome.Side(side))
		}
	}
	for side := range ends {
		e, other := &ends[side], &ends[1-side]
		if !e.messages() && other.messages() {
			return &NeedsFormatError{Side: outcome.Side(side), Bytes: e.Socket.Kind(), Messages: other.Socket.Kind(), Framed: other.cut()}
		}
	}
	return nil
}
