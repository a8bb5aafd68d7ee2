package bridge

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
	"zocalo/server"
	"zocalo/socket"
)

// The bounds of a [Bridge] where its fields do not say.
const (
	DefaultMaxConns       = server.DefaultMaxConns
	DefaultMaxSessions    = 10_000
	DefaultSessionIdle    = time.Minute
	DefaultConnectTimeout = 10 * time.Second
	DefaultDrain          = server.DefaultDrain
)

// A Bridge joins what comes to From with To. From and To are needed; the zero
// values of the rest are good. The fields must not change once Run was called,
// and a Bridge runs once.
type Bridge struct {
	From address.Address

	// To are the addresses to reach, tried in turn for each peer until one is
	// reached. Each is resolved anew every time. One that listens is alone.
	To []address.Address

	// Route, if not nil, changes the address to reach for a peer of From, as
	// to carry over what the peer asked for. It may be called several times
	// for one peer, and from several goroutines at once.
	Route func(peer *socket.Socket, to address.Address) (address.Address, error)

	// Path chooses the way through. [Auto], the zero Path, takes the fastest
	// one that can do what is asked for.
	Path Path

	// Loops is how many event loops the fast path has; 0 or less means one for
	// each processor that Go uses (GOMAXPROCS).
	Loops int

	// MaxConns bounds the pairs that are open at once where peers of From
	// connect; 0 means DefaultMaxConns, negative no bound. Beyond it clients
	// wait in the system's queue. It is lowered to what the limit of
	// descriptors allows.
	MaxConns int

	// MaxSessions bounds them where peers of From send datagrams; 0 or less
	// means DefaultMaxSessions. A peer beyond it takes the place of the one
	// that was idle longest.
	MaxSessions int

	// SessionIdle ends the session of a datagram peer when nothing passed for
	// so long. 0 or less means DefaultSessionIdle.
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

	// Rate bounds the octets a second in each direction of a pair, TotalRate
	// those of all pairs in both directions together. What is beyond waits,
	// and so does its sender; none is dropped. 0 or less is no bound.
	Rate, TotalRate int64

	// PassFiles passes on descriptors that come over unix sockets, where both
	// ends are such. Elsewhere, and without it, they are refused: the message
	// that they come with is, and a stream ends by a reset.
	PassFiles bool

	// Drain is how long open pairs may go on once Run's context has ended;
	// what is open after it is reset. 0 ends them at once, negative waits for
	// as long as they take.
	Drain time.Duration

	// Allow, if not nil, turns away every peer that is not in it, and Deny
	// every peer that is, of each side that listens. Deny wins.
	Allow, Deny *server.List

	// MaxMessage is the longest message in octets, as in relay.Options.
	MaxMessage int

	// OnListening is told of each listener, before anything is accepted. Its
	// error ends Run.
	OnListening func(*zocalo.Listener, address.Address) error

	// OnEnd is told of each pair that is over, also of those of which no TO
	// could be reached. It may be called from several goroutines at once.
	OnEnd func(Pair)

	// OnlyFailures makes OnEnd hear of pairs that failed alone (relay.Failed).
	// The others then cost less.
	OnlyFailures bool

	// OnData sees what passes, as relay.Options.OnData does, with the number
	// of the pair. It needs the general path.
	OnData func(pair int64, from relay.Side, what relay.What, data []byte)

	// Log is told what a person who runs the bridge wants to know; nil
	// discards that.
	Log *slog.Logger

	account account
	abort   abort
}

// abort ends a run at once. It can be asked for before Run began.
type abort struct {
	once sync.Once
	made chan struct{}
	done sync.Once
}

func (a *abort) channel() chan struct{} {
	a.once.Do(func() { a.made = make(chan struct{}) })
	return a.made
}

func (a *abort) now() { a.done.Do(func() { close(a.channel()) }) }

// Abort ends Run without the time to drain: what is open is reset. It does not
// wait for Run to return.
func (b *Bridge) Abort() { b.abort.now() }

// Check says why the addresses can never be joined, as far as they tell by
// themselves; Run does so too.
func (b *Bridge) Check() error {
	_, err := b.prepare()
	return err
}

// Run listens and reaches as the addresses say, and returns when all is over.
// With a listener that takes any number of peers that is when ctx ends, and the
// error is nil unless the listener failed. With one pair it is when that ends,
// and the error says why if it did not end in order. What the addresses can
// never do together is refused at once.
//
// When ctx ends nothing new begins, and what is open may go on for Drain.
func (b *Bridge) Run(ctx context.Context) error {
	ends, err := b.prepare()
	if err != nil {
		return err
	}
	r := &run{Bridge: b, log: b.Log, from: ends[0], to: ends[1:], total: bucket{rate: b.TotalRate}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	var cut context.CancelCauseFunc
	r.life, cut = context.WithCancelCause(context.WithoutCancel(ctx))
	defer onEnd(ctx, func() { r.drain(cut) })()
	defer cut(nil)
	ctx, r.stop = context.WithCancel(ctx)
	defer r.stop()

	switch {
	case r.from.passive:
		return r.serve(ctx)
	case r.to[0].passive:
		return r.second(ctx)
	}
	return r.single(ctx)
}

// ErrStopped is why a pair was reset that was still open when the time to
// drain was over.
var ErrStopped = errors.New("the relay was stopped, and the time to finish was over")

// A run is one call of Run.
type run struct {
	*Bridge
	log  *slog.Logger
	from end
	to   []end

	total bucket // of TotalRate

	life context.Context // of the pairs: ends when the time to drain is over
	stop func()          // begins nothing new any more
}

// onEnd calls f when ctx ends. The func that it returns calls that off, or waits
// for f where it has begun.
func onEnd(ctx context.Context, f func()) (off func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// drain gives what is open its time, then cuts it off.
func (r *run) drain(cut context.CancelCauseFunc) {
	var over <-chan time.Time
	if r.Drain >= 0 {
		timer := time.NewTimer(r.Drain)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-r.life.Done(): // all is over
		return
	case <-over:
	case <-r.abort.channel():
	}
	cut(ErrStopped)
	if n := r.account.count(); n > 0 {
		r.log.Warn("connections were reset, since the relay ends", "connections", n, "drain", r.Drain)
	}
}

func (b *Bridge) loops() int {
	if b.Loops <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return b.Loops
}

// maxConns is MaxConns, or less where descriptors would not do.
func (r *run) maxConns() int {
	most := r.MaxConns
	if most == 0 {
		most = DefaultMaxConns
	}
	n := affordable()
	if most < 0 || n < most/2 {
		r.log.Info("connections are bounded by the limit of descriptors: raise it for more (ulimit -n)", "connections", n)
	}
	if most < 0 {
		return n
	}
	return min(most, n)
}

func (b *Bridge) maxSessions() int {
	if b.MaxSessions <= 0 {
		return DefaultMaxSessions
	}
	return b.MaxSessions
}

func (b *Bridge) sessionIdle() time.Duration {
	if b.SessionIdle <= 0 {
		return DefaultSessionIdle
	}
	return b.SessionIdle
}

func (b *Bridge) connectTimeout() time.Duration {
	if b.ConnectTimeout == 0 {
		return DefaultConnectTimeout
	}
	return b.ConnectTimeout
}
