package socket

import (
	"net/netip"
	"os"
	"syscall"
)

// A Message is one message with all that accompanies it: what [Socket.Send]
// gives to a socket, and what [Socket.Receive] takes from one. The caller owns
// the memory, and uses the same Message again and again: neither call
// allocates. A copy of a Message that holds received descriptors would close
// them a second time: take them first, or copy what is in it.
type Message struct {
	// Buffers hold the data: gathered in order by Send, filled in order by
	// Receive. Receive leaves their lengths alone; see N.
	Buffers [][]byte

	// Peer is where Send sends to, the zero Name meaning the connected peer;
	// after Receive, who sent it, the zero Name where the kind does not say.
	Peer Name

	// Via is where on the Internet the message came from, after Receive on a
	// kind whose names do not say and that it carries, as iso-dgram and idp over
	// a UDP link; else zero.
	Via netip.AddrPort

	// N is how many bytes Receive put into Buffers.
	N int

	// Size is the message's true length in bytes, larger than N where
	// Receive returned ErrTruncated. For a kind without boundaries it is N,
	// and for a message cut short on a system other than Linux, which does
	// not tell.
	Size int

	// Flags go with the message in both directions.
	Flags MessageFlags

	// SegmentSize, if positive, says that the data is a train of datagrams
	// of that many bytes each, the last perhaps shorter: to be cut so on
	// Send (GSO), joined so by Receive (GRO).
	SegmentSize int

	// ZeroCopies say, after a Send with the flag ZeroCopy, which completions
	// to wait for before the memory is used again. They are good after an
	// error too: a part may have left.
	ZeroCopies ZeroCopies

	// Ancillary is the data beside the data.
	Ancillary Ancillary
}

// Source returns where on the Internet a message came from, by its Peer or Via;
// zero where nothing tells.
func (m *Message) Source() netip.AddrPort {
	if a := m.Peer.AddrPort(); a.IsValid() {
		return a
	}
	return m.Via
}

// Bytes returns the data that Receive has put into the message, N bytes: without a
// copy, and good until the next call, where it is in one buffer.
func (m *Message) Bytes() []byte {
	n := m.N
	if len(m.Buffers) > 0 && n <= len(m.Buffers[0]) {
		return m.Buffers[0][:n]
	}
	all := make([]byte, 0, n)
	for _, b := range m.Buffers {
		all = append(all, b[:min(len(b), n-len(all))]...)
	}
	return all
}

// SetData makes b the message's only buffer, without allocating after the
// first time.
func (m *Message) SetData(b []byte) { m.Buffers = append(m.Buffers[:0], b) }

// MessageFlags are the flags of a [Message].
type MessageFlags uint32

// The flags of a message.
const (
	EndOfRecord      MessageFlags = 1 << iota // MSG_EOR: the record ends here
	DontRoute                                 // MSG_DONTROUTE, on Send: to hosts on this link only
	More                                      // MSG_MORE, on Send: wait for what follows
	Truncated                                 // MSG_TRUNC, by Receive: the data did not fit
	ControlTruncated                          // MSG_CTRUNC, by Receive: the ancillary data did not fit
	Peek                                      // MSG_PEEK, on Receive: leave the message in the queue
	ZeroCopy                                  // MSG_ZEROCOPY, on Send: leave the data where it is, see the option zerocopy
)

// A sentinel is an error that matches another one too. It concerns one
// message, so that net.OpError calls it temporary: who serves many peers goes
// on.
type sentinel struct {
	text string
	is   error
}

func (e *sentinel) Error() string { return e.text }

func (e *sentinel) Is(target error) bool { return target == e.is }

func (e *sentinel) Temporary() bool { return true }

func (e *sentinel) Timeout() bool { return false }

var (
	// ErrTruncated says that a message did not fit the buffer: its first part
	// is there, the rest is lost. It matches EMSGSIZE.
	ErrTruncated error = &sentinel{"message cut short: it is longer than the buffer", syscall.EMSGSIZE}

	// ErrDescriptorsRefused says that descriptors came with a message and
	// were closed, since the receiver had not asked for that many. The
	// message's data is intact.
	ErrDescriptorsRefused error = &sentinel{"descriptors came with the message and were closed: WantFiles asks for them", os.ErrInvalid}
)
