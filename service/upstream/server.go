package upstream

import (
	"context"
	"sync/atomic"
	"time"

	"zocalo/address"
)

// A server is one address that pairs can go to. What it is never changes: a pool that
// changes has others, with the same states.
type server struct {
	member  string // the text of its member
	address address.Address
	check   address.Address // what checks connect to
	text    string
	weight  int
	backup  bool
	second  bool   // of a name whose other addresses go first
	hash    uint64 // of text, for SourceHash
	*state
}

// A state is what becomes of a server: it stays where a configuration is changed.
type state struct {
	counts

	// Failures in a row: to reach it, and of what it had taken.
	refusals, resets atomic.Int32

	rampFrom atomic.Int64 // when it came back, by the pool's clock; 0 for long ago

	// The rest is the pool's, under its mutex.

	now       *server            // whose it is; nil once it is no longer there
	stopCheck context.CancelFunc // of its checks, nil without

	since time.Time // that it is as it is
	off   bool      // by hand

	down          bool   // by checks
	downWhy       string // what the last failed check said when it went down
	rises, falls  int    // checks in a row
	seen          bool   // a check has been made
	lastCheck     time.Time
	lastCheckTook time.Duration
	lastCheckErr  string

	ejected    bool
	ejectedWhy string
	until      time.Time // it is ejected
	timer      *time.Timer
	lasted     time.Duration // the last ejection,
	returned   time.Time     // which ended then
}

// counts are what passed.
type counts struct {
	open   atomic.Int64 // pairs that go to it, or are about to
	total  atomic.Int64 // of which it was reached
	failed atomic.Int64 // attempts to reach it that failed, and connections that it cut at once
	bytes  [2]atomic.Int64
}

// Health is whether a server is used.
type Health uint8

// How a server can be.
const (
	Up      Health = iota // it is used
	Down                  // checks say that it does not serve
	Ejected               // pairs failed there: it is left alone for a while
	Off                   // it was taken out by hand
)

var healthNames = [...]string{"up", "down", "ejected", "off"}

// String returns up, down, ejected or off.
func (h Health) String() string { return healthNames[min(int(h), len(healthNames)-1)] }

// MarshalText returns String.
func (h Health) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// health says how it is, and why. The caller holds the pool's mutex.
func (s *state) health() (Health, string) {
	switch {
	case s.off:
		return Off, "taken out by hand"
	case s.down:
		return Down, s.downWhy
	case s.ejected:
		return Ejected, s.ejectedWhy
	}
	return Up, ""
}
