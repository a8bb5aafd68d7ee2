package capture

import (
	"net/netip"
	"time"

	"zocalo/socket"
)

// A Side is one of the two of a conversation.
type Side uint8

// The sides.
const (
	Client Side = iota // who began
	Server
)

// Other returns the side that a side speaks to.
func (s Side) Other() Side { return 1 - s }

// String gives "client" or "server".
func (s Side) String() string {
	if s == Client {
		return "client"
	}
	return "server"
}

// A What says what an event is.
type What uint8

// What happens in a conversation.
const (
	Data    What = iota // bytes of a stream, as one segment or one read brought them
	Message             // a message, whole, perhaps empty
	Urgent              // an urgent byte, at its place in the stream
	Gap                 // what the recording lacks: Size bytes of a stream, or the rest of a message
	End                 // the side has finished sending: a FIN
	Reset               // the side ended the conversation with a reset
)

var whatNames = [...]string{"data", "message", "urgent", "gap", "end", "reset"}

func (w What) String() string {
	if int(w) < len(whatNames) {
		return whatNames[w]
	}
	return "what?"
}

// An Event is one thing that a side of a conversation did.
type Event struct {
	At   time.Duration // since the conversation began
	From Side
	What What
	Data []byte // of Data, Message and Urgent
	Size int64  // of a Gap, in bytes
}

// An Endpoint is the name of a side, as far as the recording tells it.
type Endpoint struct {
	Addr netip.AddrPort // of an internet socket, or the made-up one of another kind
	Name string         // of any other kind, as its recorder wrote it; "" where Addr says it
}

// String returns the name of any kind; "-" where there is none.
func (e Endpoint) String() string {
	switch {
	case e.Name != "":
		return e.Name
	case e.Addr.IsValid():
		return e.Addr.String()
	}
	return "-"
}

// A Conversation is what passed between two sockets, from the first packet of it in
// the file to the last.
type Conversation struct {
	Number int    // among all of the file, from 1 in the order in which they began
	Kind   string // the kind of socket in list's words: "tcp", "udp", "unix-dgram"
	Type   socket.Type

	Client, Server Endpoint
	Interface      string // where it was seen, as the file names it; "" where it does not
	Comment        string // the first that the recorder made on it
	Process        uint32 // the number of the client's process; 0 is unknown
	ProcessName    string

	Began, Ended time.Time // the first packet of it and the last

	// Events are what happened, in the order of their times. Those of a conversation that was
	// not to be held, or was TooLarge, are not there; what follows is.
	Events []Event

	Bytes    [2]int64 // that each side sent
	Messages [2]int   // or segments of a stream that brought something new

	Opened  bool // its beginning is in the file: a TCP handshake, or a kind that has none
	Stood   bool // it is not only an attempt: both sides were there, or anything was sent
	Closed  [2]bool
	Aborted bool // a side reset it

	Missing       int64 // bytes that passed and that the file lacks
	Retransmitted int   // segments that brought nothing new
	OutOfOrder    int   // segments that came ahead of others
	TooLarge      bool  // more than [Options.MaxConversation]: its events were dropped

	held int64 // bytes of memory
}

// Bounded reports whether it is of messages and not of a stream.
func (c *Conversation) Bounded() bool { return c.Type != socket.Stream }

// Lasted is the time from the first packet to the last.
func (c *Conversation) Lasted() time.Duration { return max(0, c.Ended.Sub(c.Began)) }
