// Package control is the control socket of running zocalo commands, both its ends: a
// unix socket for each process, in a folder of the user's, that says what the process
// holds. docs/control.md has the protocol.
//
// It never stops what the process is there for: it is served beside that, gathers its answers
// only when asked, and serves a bounded number of clients for a bounded time.
package control

import (
	"os"
	"slices"
	"time"
)

// Version is the protocol's. A client asks in the version that it speaks, and a server
// refuses those that it does not.
const Version = 1

// The bounds of both ends.
const (
	mostClients = 8       // that a server has at once; more wait
	mostRequest = 4 << 10 // bytes of a line that asks
	mostLine    = 64 << 10
	mostRows    = 20_000 // of an answer
	patience    = 5 * time.Second
	// How long a look at all processes may take, and how many bytes it may read from all of
	// them together.
	lookPatience = 2 * time.Second
	askPatience  = time.Second // for each: one that is stopped (Ctrl-Z) never answers
	mostServers  = 1000        // of a user
	mostAnswers  = 64 << 20
	mostAsked    = 256 // at once: those that are stopped do not answer
)

// A Request is what a client asks for, in a line.
type Request struct {
	Zocalo int      `json:"zocalo"`          // the version
	Ask    string   `json:"ask"`             // "sockets"
	Kinds  []string `json:"kinds,omitempty"` // of rows; none is all
}

// Wants reports whether rows of a kind are asked for.
func (r *Request) Wants(kind string) bool { return len(r.Kinds) == 0 || slices.Contains(r.Kinds, kind) }

// A Header is the first line of an answer.
type Header struct {
	Zocalo int       `json:"zocalo"`
	PID    int       `json:"pid"`
	Verb   string    `json:"verb,omitempty"`  // "relay"
	Began  time.Time `json:"began,omitzero"`  // when the process began
	Netns  string    `json:"netns,omitempty"` // its network namespace, as /proc/PID/ns/net has it
	Error  string    `json:"error,omitempty"` // why there is no more
}

// A Row is a socket of user space, or a pair: what the process has joined.
type Row struct {
	Kind  string `json:"kind"` // "iso", "ns" or "pair"
	Type  string `json:"type,omitempty"`
	State string `json:"state,omitempty"`
	// The name of the socket, and of its peer. Of a pair they are addresses: of whoever
	// came, or of the socket of this process, and of whom it was joined with.
	Local    string    `json:"local,omitempty"`
	Peer     string    `json:"peer,omitempty"`
	Received int64     `json:"received"`          // socket: bytes waiting to be read; pair: bytes that came from peer
	Sent     int64     `json:"sent"`              // socket: bytes that the peer has not received; pair: bytes that went to it
	Unknown  bool      `json:"unknown,omitempty"` // a pair whose byte counts are not known: a program has the socket
	Began    time.Time `json:"began,omitzero"`    // of a pair
}

// An end is the last line of an answer.
type end struct {
	End     bool `json:"end"`
	LeftOut int  `json:"left_out,omitempty"` // rows left out, beyond the limit
}

// An Answer is what a process says of itself.
type Answer struct {
	Header  // the number of the process is this pid namespace's
	UID     int
	Rows    []Row
	LeftOut int
}

// Netns is the network namespace of this process, "" if the system has none.
func Netns() string {
	name, _ := os.Readlink("/proc/self/ns/net")
	return name
}
