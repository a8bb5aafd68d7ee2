package relay

import (
	"log/slog"
	"sync/atomic"
	"time"

	"zocalo/address"
	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/relay/datagrams"
	"zocalo/server"
)

// The limits where a [Config] does not say.
const (
	DefaultMaxConns       = server.DefaultMaxConns
	DefaultMaxSessions    = pass.DefaultMaxSessions
	DefaultSessionIdle    = time.Minute
	DefaultConnectTimeout = 10 * time.Second
	DefaultDrain          = server.DefaultDrain
)

// A Config says what a [Relay] is to do. A side to come from, From or Listener, and
// one to reach, To or [Hooks.Reach], are needed; the zero values of the rest are good.
type Config struct {
	From address.Address

	// Listener, if not nil, is what peers come to, in place of what From would listen
	// on: a [*zocalo.Listener], a [*socket.Socket] that listens or is bound to take
	// datagrams, or whatever accepts. The relay neither opens nor announces it, and
	// closes it in every case, as net/http's Serve does. From may be left out; if given
	// its options about what passes hold, as frame=.
	Listener server.Listener

	// To are the addresses to reach, tried in turn for each peer until one is
	// reached. Each is resolved anew every time. One that listens is alone.
	To []address.Address

	// Path chooses among the engines. [Auto], the zero Path, takes the fastest
	// one that can do what is asked for.
	Path Path

	// Loops is how many event loops the engine streams has; 0 or less means one for
	// each processor that Go uses (GOMAXPROCS). There are 1024 at most.
	Loops int

	Limits
	Hooks

	// OneWay passes on what comes to From, and nothing the other way: what the far ends
	// send is neither read nor passed on, unless they are programs, whose output is
	// dropped. Files and pipes are opened for the one direction, and a pair ends with
	// what From sends.
	OneWay bool

	// PassFiles passes on descriptors that come over unix sockets, where both
	// ends are such. Elsewhere, and without it, they are refused: the message
	// that they come with is, and a stream ends by a reset.
	PassFiles bool

	// Allow, if not nil, turns away every peer that is not in it, and Deny
	// every peer that is, of each side that listens. Deny wins.
	Allow, Deny *server.List

	// MaxMessage is the longest message in bytes, as in join.Options.
	MaxMessage int

	// Log is told what a person who runs the relay wants to know; nil
	// discards that.
	Log *slog.Logger
}

// Limits are the bounds of a [Relay]. All can be changed while it runs, see
// [Relay.SetLimits].
type Limits struct {
	// MaxConns bounds the pairs that are open at once where peers of From
	// connect; 0 means DefaultMaxConns, negative no bound. Beyond it clients
	// wait in the system's queue. It is lowered to what the limit of
	// descriptors allows.
	MaxConns int

	// MaxConnsPerPeer bounds the pairs of a single peer, connections and sessions
	// alike, as that of a [server.Server]. One more connection is reset; one more
	// session takes the place of that of the same peer that was idle longest.
	MaxConnsPerPeer int

	// MaxSessions bounds them where peers of From send datagrams; 0 means
	// DefaultMaxSessions, negative no bound but that of descriptors. A peer beyond
	// it takes the place of the one that was idle longest.
	MaxSessions int

	// SessionIdle ends the session of a datagram peer when nothing passed for
	// so long. 0 means DefaultSessionIdle, negative is never.
	SessionIdle time.Duration

	// ConnectTimeout bounds each attempt to reach an address of To; 0 means
	// DefaultConnectTimeout, negative no bound but the system's.
	ConnectTimeout time.Duration

	// Retry is for how long to go on where no address of To can be reached,
	// with pauses that double from 100 ms to 10 s. The peer waits meanwhile,
	// and so does what it sends. 0 is to try once, negative to try forever.
	Retry time.Duration

	// Idle ends a pair when nothing passed in either direction for so long,
	// and Lifetime after so long in any case. 0 or less is never.
	Idle, Lifetime time.Duration

	// Rate bounds the bytes a second in each direction of a pair, TotalRate
	// those of all pairs in both directions together. What is beyond waits,
	// and so does its sender; none is dropped. What was not used of a rate may be
	// used at once later, a tenth of a second of it at most. 0 or less is no bound.
	Rate, TotalRate int64

	// Drain is how long open pairs may go on once Run's context has ended;
	// what is open after it is reset. 0 means DefaultDrain, negative waits for as
	// long as they take. A nanosecond ends them at once.
	Drain time.Duration
}

// sessionIdle ends a session of datagrams.
func (l *Limits) sessionIdle() time.Duration {
	if l.SessionIdle == 0 {
		return DefaultSessionIdle
	}
	return l.SessionIdle
}

func (l *Limits) connectTimeout() time.Duration {
	if l.ConnectTimeout == 0 {
		return DefaultConnectTimeout
	}
	return l.ConnectTimeout
}

// maxConns is MaxConns, or less where descriptors would not do.
func (r *run) maxConns() int {
	most := r.now().MaxConns
	if most == 0 {
		most = DefaultMaxConns
	}
	n := affordable(r.descriptorsOfPair())
	if most < 0 || n < most/2 {
		r.tellBound(&r.toldConns, "connections are limited by the number of descriptors: raise it for more (ulimit -n)", "connections", n)
	}
	if most < 0 {
		return n
	}
	return min(most, n)
}

// maxSessions is MaxSessions, or less where descriptors would not do: one for
// each, and some for those of sessions that have given way, see [datagrams.Resting].
func (r *run) maxSessions() (most, rest int) {
	if most = r.now().MaxSessions; most == 0 {
		most = DefaultMaxSessions
	}
	n := affordable(1)
	rest = min(max(n/8, 1), datagrams.DefaultRest)
	if n = max(1, n-rest); most < 0 || n < most {
		r.tellBound(&r.toldSessions, "sessions of datagrams are limited by the number of descriptors: raise it for more (ulimit -n)", "sessions", n)
		most = n
	}
	return most, rest
}

// tellBound tells of a bound, once. A log that nobody reads does not keep the relay, which
// holds a lock.
func (r *run) tellBound(told *atomic.Int64, text, key string, n int) {
	if told.Swap(int64(n)) != int64(n) {
		go r.log.Info(text, key, n)
	}
}

// spareDescriptors are left for what is no connection: listeners, standard
// streams, the pollers, pipes to splice through.
const spareDescriptors = 64

// descriptorsOfPair is how many a pair holds: one for each end, and for an end that
// is a program up to two pipes and one of its process.
func (r *run) descriptorsOfPair() int {
	n := 2
	if r.from.Scheme.Program {
		n += 2
	}
	for _, e := range r.now().to {
		if e.Scheme.Program {
			return n + 2
		}
	}
	return n
}

// affordable is how many pairs the limit of descriptors allows, so many for each;
// at least 1. Pairs that wait for a second descriptor, while all are held by
// others like them, would wait for nothing.
func affordable(each int) int {
	limit, errno := sys.MaxFiles()
	if errno != 0 {
		return DefaultMaxConns
	}
	n := int(min(limit, 1<<30))
	return max(1, (n-min(spareDescriptors, n/2))/each)
}
