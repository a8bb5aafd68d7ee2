package datagrams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/frame"
	"zocalo/internal/pass"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/socket"
)

// The bounds of a [Relay] where its fields do not say.
const (
	DefaultIdle        = time.Minute
	DefaultMaxSessions = pass.DefaultMaxSessions
	DefaultRest        = 1024
)

// A Relay joins each peer of a datagram socket with a socket of its own on the
// far side. Only Dial is needed. The fields must not change once Serve was
// called.
//
// The hooks are called by the loop that moves all datagrams: one that waits
// makes every session wait.
type Relay struct {
	// Dial makes the far socket of a session, connected; its kind is one that
	// [TakesFar] takes. It is called in a goroutine of its own, 32 at once at most, and bounds its own time. ctx ends when
	// the session does. With HasOthers it is called again where a target
	// refuses: then refused are those that have, and Dial connects to another
	// or, where none is left, to the first again.
	Dial func(ctx context.Context, s Session, refused []socket.Name) (*socket.Socket, error)

	Limits // at first, see SetLimits

	// Rest bounds the far sockets of sessions that gave way to others which
	// stay open for 5 s more, so that the system does not give their ports, and
	// the answers that come late, to other sessions: a descriptor each. 0 means
	// DefaultRest, negative none.
	Rest int

	// MaxMessage is the longest message in bytes, in either direction: a
	// longer one is refused and counted. 0 or less means 64 KiB, which holds
	// every internet datagram; more than [frame.MaxSize] is refused. Memory
	// for 4 MiB of messages, or for one if that is more, is held once for all
	// sessions.
	MaxMessage int

	// Allow, if not nil, keeps out the messages of peers that are not in it,
	// and Deny those of peers that are. Only names are looked at, see
	// [server.List.Contains].
	Allow, Deny *server.List

	// Log is told what a person who runs the relay wants to know; nil
	// discards that.
	Log *slog.Logger

	// Admit, if not nil, turns a peer of that name away, which sends to near, by an
	// error.
	Admit func(near, peer socket.Name) error

	// OnNew, if not nil, sees a session that has just begun.
	OnNew func(Session)

	// OnPassed, if not nil, sees what has just left, of the session of that number.
	OnPassed func(session int64, from outcome.Side, bytes, messages int)

	// OnBegin, if not nil, sees a session whose far socket is connected, and
	// OnEnd one that is over, also one that was never connected.
	OnBegin, OnEnd func(Session)

	// OnError, if not nil, sees what the network said about a session: an
	// ICMP message (as a [*socket.QueuedError]), a send or a Dial that failed.
	// The session goes on, unless OnEnd follows.
	OnError func(Session, error)

	mu     sync.Mutex // of Limits
	engine atomic.Pointer[engine]
	totals counters
}

// Limits are those of a [Relay] that can change.
type Limits struct {
	// HasOthers says that Dial may know other targets. A session whose target
	// is unreachable, as ICMP messages tell, then goes on to the next, with
	// what it sent before the first answer (up to 16 KiB). Once all have
	// refused it starts over, after a pause of a tenth of a second up to one.
	HasOthers bool

	// Idle ends a session through which nothing passed for so long, in either
	// direction; to wait for a rate is not idle. 0 means DefaultIdle, negative never.
	Idle time.Duration

	// Max bounds the sessions; 0 or less means DefaultMaxSessions. A peer
	// beyond it takes the place of the session that was idle longest. Each
	// needs a descriptor.
	Max int

	// MaxPerPeer bounds those of a single peer, whatever ports it sends from, as
	// accept.NewPerPeer says. One more takes the place of that of the same peer
	// which was idle longest.
	MaxPerPeer int

	// Rate bounds the bytes a second in each direction of a session,
	// TotalRate those of all sessions in both directions together. 0 or less
	// is no bound. What is beyond waits, see the package comment.
	Rate, TotalRate int64
}

// SetLimits changes the limits while the relay serves, for sessions that are open too. It
// ends none that are too many, and MaxPerPeer stays as it is.
func (r *Relay) SetLimits(l Limits) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Limits = l
	if e := r.engine.Load(); e != nil {
		e.become(l)
	}
}

// A Session is a peer and its socket on the far side, as both stood when it
// was asked for.
type Session struct {
	Number int64       // counts from 1, in the order in which they began
	Peer   socket.Name // who began it
	Near   socket.Name // the socket that the peer sends to
	Local  socket.Name // the far socket's own name; zero before it is connected
	Target socket.Name // whom the far socket is connected to

	// Result says what passed, [outcome.A] being the peer. How is Cancelled
	// where the relay ended it, also to make room (Err is then ErrMadeRoom);
	// it means nothing while the session goes on.
	Result outcome.Result

	Errors int64 // what OnError sees, counted
	Err    error // why it ended, nil where that is no failure
}

// Passed sums up flows ([outcome.Flow]).
type Passed struct{ Bytes, Messages, Refused, Dropped int64 }

// ErrMadeRoom is the Err of a session that gave way to a new one.
var ErrMadeRoom = errors.New("the session was idle longest, and a new peer took its place")

// Totals are what a [Relay] has done since it was made.
type Totals struct {
	Sessions int64     // begun
	Open     int64     // of them, those that go on
	From     [2]Passed // by the side it came from

	TurnedAway int64 // messages of peers that are not allowed
	Overflowed int64 // messages that the system dropped: a near socket's receive buffer was full
	Errors     int64 // what OnError sees, counted
	MadeRoom   int64 // sessions that gave way to new ones
}

// Serve relays the peers of the sockets, which are bound, not connected, and of
// a kind that [TakesNear] takes, until ctx ends. Then it begins no session any
// more, and those that are open go on for as long as something passes at least once
// a second, and life lasts. It returns nil where nothing failed. A socket that
// fails for good ends Serve at once, with that error.
//
// Serve closes the sockets in every case. A Relay serves once.
func (r *Relay) Serve(ctx, life context.Context, sockets ...*socket.Socket) error {
	defer func() {
		for _, s := range sockets {
			s.Close()
		}
	}()
	if err := r.check(sockets); err != nil {
		return err
	}
	return r.serve(ctx, life, sockets)
}

func (r *Relay) check(sockets []*socket.Socket) error {
	switch {
	case r.Dial == nil:
		return errors.New("datagrams: the relay has no Dial: set one")
	case len(sockets) == 0:
		return errors.New("datagrams: no socket was given: give at least one")
	case r.MaxMessage > frame.MaxSize:
		return fmt.Errorf("datagrams: a limit of %d bytes a message is more than memory should hold: give at most %d", r.MaxMessage, frame.MaxSize)
	}
	for _, s := range sockets {
		if err := TakesNear(s); err != nil {
			return err
		}
	}
	return nil
}

// Sessions returns the sessions that are open. It waits for the loop, and so
// must not be called by a hook.
func (r *Relay) Sessions() []Session {
	if e := r.engine.Load(); e != nil {
		return e.sessions()
	}
	return nil
}

// Totals returns what the relay has done.
func (r *Relay) Totals() Totals { return r.totals.load() }

// TakesNear answers nil for a socket whose peers a [Relay] can serve: a
// datagram socket of the kernel's, in the domains inet, inet6 and unix, on
// Linux. Others are a [*socket.UnsupportedError].
func TakesNear(s *socket.Socket) error {
	return takes(s, "relaying the peers of", s.Type() == socket.Datagram)
}

// TakesFar is the same for the socket that Dial makes. A unix seqpacket socket
// will do too.
func TakesFar(s *socket.Socket) error {
	return takes(s, "relaying datagram peers to", s.Type() == socket.Datagram || isSeqPacket(s))
}

func takes(s *socket.Socket, what string, typeOK bool) error {
	k := s.Kind()
	ok := typeOK && supported
	switch k.Domain {
	case socket.Inet, socket.Inet6:
		ok = ok && (k.Protocol == 0 || k.Protocol == socket.UDP)
	case socket.Unix:
	default:
		ok = false
	}
	if _, descriptor := socket.As[socket.Descriptor](s); !ok || !descriptor {
		return &socket.UnsupportedError{Feature: what + " a socket of the kind " + k.String() + " in batches", Needs: "udp or unix-dgram, on Linux"}
	}
	return nil
}

func isSeqPacket(s *socket.Socket) bool {
	return s.Domain() == socket.Unix && s.Type() == socket.SeqPacket
}

func (l *Limits) idle() time.Duration {
	if l.Idle == 0 {
		return DefaultIdle
	}
	return l.Idle
}

func (l *Limits) max() int {
	if l.Max <= 0 {
		return DefaultMaxSessions
	}
	return l.Max
}

func (r *Relay) mostResting() int {
	if r.Rest == 0 {
		return DefaultRest
	}
	return max(r.Rest, 0)
}

// inetMessage holds every datagram of the Internet.
const inetMessage = 64 << 10

func (r *Relay) maxMessage() int {
	if r.MaxMessage <= 0 {
		return inetMessage
	}
	return r.MaxMessage
}

func (r *Relay) log() *slog.Logger {
	if r.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Log
}
