package admin

import (
	"context"
	"log/slog"
	"time"
)

// A Source is what an admin server shows. Its methods are called by many at once, a few
// times a second for each page that is open, and must not wait.
type Source interface {
	// Services are those that run, in the order in which to show them.
	Services() []Service

	// Pairs are the open pairs of a service, the oldest first; nil for a service that
	// there is not.
	Pairs(service string) []Pair
}

// A Service is a relay, a server of programs or an echo server, as it stands.
type Service struct {
	Name  string   `json:"name"`
	Verb  string   `json:"verb"`            // "relay", "serve" or "echo"
	From  []string `json:"from"`            // the addresses where it listens
	To    []string `json:"to,omitempty"`    // those where it goes, without Upstreams
	State string   `json:"state,omitempty"` // "" while it serves, else what it does: "draining", "failed: why"

	Engine string `json:"engine,omitempty"` // what moves its bytes
	Slower string `json:"slower,omitempty"` // why that is not a faster one

	Open    int   `json:"open"`    // pairs that are open
	Ended   int64 `json:"ended"`   // pairs that are over,
	Reset   int64 `json:"reset"`   // of these, by a reset
	Failed  int64 `json:"failed"`  // of these, by a failure
	Refused int64 `json:"refused"` // messages that did not fit
	Dropped int64 `json:"dropped"` // datagrams lost

	// What has passed from peers and to them; see [relay.Totals].
	Bytes    [2]int64 `json:"bytes"`
	Messages [2]int64 `json:"messages"`

	Upstreams []Upstream `json:"upstreams,omitempty"`
}

// An Upstream is where a service sends its peers.
type Upstream struct {
	Address string    `json:"address"`
	Up      bool      `json:"up"`
	Why     string    `json:"why,omitempty"` // what the last check, or the last failure, said
	Since   time.Time `json:"since,omitzero"`
	Open    int       `json:"open"`   // pairs that are open with it
	Total   int64     `json:"total"`  // pairs that it has had
	Failed  int64     `json:"failed"` // attempts that did not reach it
	Weight  int       `json:"weight,omitempty"`
	Backup  bool      `json:"backup,omitempty"`
	Off     bool      `json:"off,omitempty"`    // somebody ejected it
	Ejected time.Time `json:"ejected,omitzero"` // until when it gets no pairs
}

// A Pair is a peer and what it is joined with.
type Pair struct {
	Number   int64     `json:"number"`
	Peer     string    `json:"peer"`
	Target   string    `json:"target"` // "" while nothing is reached
	Began    time.Time `json:"began"`
	Bytes    [2]int64  `json:"bytes"` // from the peer, and to it
	Messages [2]int64  `json:"messages"`
}

// Controls are what a page or a client may change. One that is nil is answered with
// "501 Not Implemented". Their errors are told to the client, in one line.
type Controls struct {
	Reload  func(ctx context.Context) error
	Drain   func(service string) error
	Eject   func(upstream string) error // an address, or SERVICE/ADDRESS
	Restore func(upstream string) error // the opposite of Eject
	Level   *slog.LevelVar              // of the log

	// Explain says in sentences how a pair does, as the system's figures tell it.
	Explain func(ctx context.Context, service string, p Pair) []string
}
