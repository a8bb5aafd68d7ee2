package relay_test

import (
	"time"
)

// An Engine starts relays: what lives are played through.
type Engine struct {
	Name string

	// Start runs a relay between addresses. It returns when the relay listens.
	Start func(from, to string, o Options) (Relay, error)

	// Bears reports whether the engine can join two schemes. With frame the
	// streams among them are cut into messages.
	Bears func(from, to string, frame bool, o Options) bool
}

// Options are those of a relay that lives are tried with. Zero is none.
type Options struct {
	Idle, Lifetime  time.Duration
	Drain           time.Duration
	Rate, TotalRate int64
	MaxConns        int
	Watch           bool // something looks at all that passes, as --dump does

	// Ended, if not nil, is told of each pair that is over.
	Ended func(Ended)
}

// An Ended is a pair that is over, as the relay tells of it.
type Ended struct {
	Peer     string // the name of whoever came
	Finished bool   // both sides ended in order
	Bytes    [2]int64
	Text     string // all of it, for people
}

// A Relay is one that runs.
type Relay interface {
	// Address is where to dial it.
	Address() string

	// Open returns how many pairs are open, Dropped how many datagrams were
	// dropped and counted.
	Open() int
	Dropped() int64

	// Stop ends it, with the time to drain that Options gave, and waits for that.
	Stop() error
}

// A variant is a way to run a relay.
type variant struct {
	name    string
	options Options
	cuts    bool // the relay itself ends pairs
	refused bool // TO has no listener
	cycles  bool // it is stopped and started again and again
	most    int  // bytes that a side writes; 0 is no bound
	weight  int
}

var variants = []variant{
	{name: "plain", weight: 12},
	{name: "watched", options: Options{Watch: true}, weight: 4},
	{name: "idle", options: Options{Idle: 150 * time.Millisecond}, cuts: true, weight: 2},
	{name: "lifetime", options: Options{Lifetime: 120 * time.Millisecond}, cuts: true, weight: 2},
	{name: "drain", options: Options{Drain: 30 * time.Millisecond}, cuts: true, cycles: true, weight: 2},
	{name: "rates", options: Options{Rate: 4 << 20, TotalRate: 40 << 20}, most: 64 << 10, weight: 2},
	{name: "few places", options: Options{MaxConns: 3}, most: 64 << 10, weight: 1},
	{name: "refused", refused: true, weight: 1},
}
