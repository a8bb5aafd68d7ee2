package relay

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/internal/accept"
	"zocalo/internal/pass"
	"zocalo/process"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/socket"
)

// A joining is the engine join: a goroutine for each pair, and package join.
type joining struct {
	r        *run
	to       reacher
	reaching context.Context  // in which it does
	server   *server.Server   // of peers that connect,
	sessions *server.Sessions // or of those that send datagrams
	once     bool             // there is only one pair
	begun    atomic.Bool      // and it has begun
	only     error            // how it ended
}

func newJoining(r *run, l server.Listener) engine {
	j := &joining{r: r, once: r.from.isOnce() || r.now().to[0].isOnce()}
	if hasDatagrams(l) {
		j.sessions = r.sessions(func(ctx context.Context, c *socket.Socket) { j.handle(ctx, c, nil) })
		j.sessions.OnFailure = r.failed
	} else {
		// It never ends pairs by itself: that is run.drain's.
		j.server = &server.Server{Begin: j.handle, Drain: -1, Allow: r.Allow, Deny: r.Deny, OnFailure: r.failed, Log: r.Config.Log}
		r.loops = r.newLoops()
	}
	j.change()
	return j
}

// sessions are those of peers that send datagrams. Idleness is for the join of
// each to see, which knows what waits for a rate.
func (r *run) sessions(handle func(context.Context, *socket.Socket)) *server.Sessions {
	most, rest := r.maxSessions()
	r.rest.Most = rest
	return &server.Sessions{
		Handler: handle, Idle: -1, Max: most, MaxPerPeer: r.now().MaxConnsPerPeer, MaxMessage: r.MaxMessage,
		Drain: -1, Allow: r.Allow, Deny: r.Deny, Log: r.Config.Log,
	}
}

// failed begins the end of the relay, for a listener that failed for good.
func (r *run) failed(error) { r.end() }

func (j *joining) serve(ctx context.Context, l server.Listener) (err error) {
	r := j.r
	defer r.loops.close()
	if j.to, err = r.reacher(ctx); err != nil {
		return err
	}
	defer j.to.close()
	// Whoever connects may go on while the relay drains, whoever waits for a peer to come may
	// not.
	if j.reaching = ctx; !r.now().to[0].passive {
		j.reaching = r.life
	}
	switch {
	case j.sessions != nil:
		err = j.sessions.Serve(ctx, r.sockets...)
	case arePrograms(r.now().to):
		err = j.server.Serve(ctx, r.gate.Before(l))
	default:
		err = j.server.Serve(ctx, l)
	}
	return errors.Join(err, j.only)
}

// handle serves a peer of FROM until it calls over, perhaps later; without over until it
// returns.
func (j *joining) handle(ctx context.Context, c *socket.Socket, over func()) {
	if !j.begin(ctx, c, over) && over != nil {
		over()
	}
}

// begin serves a peer of FROM, or reports that the loops or another goroutine do.
func (j *joining) begin(ctx context.Context, c *socket.Socket, over func()) (handed bool) {
	r := j.r
	if r.Admit != nil {
		if err := r.Admit(r.peerOf(c)); err != nil {
			r.gate.Started(c)
			accept.Refuse(ctx, c, time.Now())
			r.log.Info("peer rejected", "listener", c.Name(), "peer", c.Peer(), "reason", err)
			return false
		}
	}
	switch {
	case !j.once:
		e, other, t, err := r.begins(j.reaching, c, j.to)
		switch {
		case err != nil:
			return false
		case over == nil:
			r.join(e, c, other, t)
		case !r.loops.take(e, c, other, t, over):
			// The stack of this goroutine has grown by what came before.
			go func() {
				defer over()
				r.join(e, c, other, t)
			}()
			fallthrough
		default:
			return true
		}
	case j.begun.CompareAndSwap(false, true):
		r.stop()
		j.only = r.pair(r.life, c, j.to)
	}
	return false
}

func (j *joining) pairs() []Pair { return nil } // the account has them

func (j *joining) count(t *Totals) {
	if j.sessions != nil {
		t.Dropped += j.sessions.Dropped()
	}
}

func (j *joining) change() {
	r := j.r
	switch {
	case j.sessions != nil:
		most, _ := r.maxSessions()
		j.sessions.SetMax(most)
	case j.once:
		j.server.SetMaxConns(1)
	default:
		j.server.SetMaxConns(r.maxConns())
	}
	r.loops.change()
	r.account.each(func(e *entry) { e.progress.SetLimits(r.idle(e), r.now().Lifetime, r.pace()) })
}

// rests keeps the port of the far socket of a session, which is about to be closed,
// from being used again at once.
func (r *run) rests(far *socket.Socket) {
	d, ok := socket.Beneath[socket.Descriptor](far)
	if !ok || far.Type() != socket.Datagram || !isInternet(far.Domain()) {
		return
	}
	if f, err := d.File(); err == nil {
		r.rest.Put(f)
	}
}

// How long a pair goes on in silence once one end has finished and the other
// cannot be told: that is so for datagrams, which know no end, and for
// connections that cannot be closed one way only, as those of iso and spp.
const datagramIdle = 2 * time.Second

var untoldIdle = 5 * time.Second // a variable for tests

// errFiles is why a message was refused, or a stream reset, with which
// descriptors came.
var errFiles = errors.New("descriptors arrived, and are not passed on: --pass-fds passes them between two unix sockets")

// pair reaches the other end for one of FROM and joins them. Both are closed
// when it returns. What is done before and after is in funcs of their own: the stack
// of whoever waits in the middle is what an idle pair costs.
func (r *run) pair(ctx context.Context, from *socket.Socket, to reacher) error {
	e, other, t, err := r.begins(ctx, from, to)
	if err != nil {
		return err
	}
	return r.join(e, from, other, t)
}

// join joins the two ends of a pair that has begun.
func (r *run) join(e *entry, from, other *socket.Socket, t *target) error {
	result, err := r.joint(e, from, other, t)(r.life)
	return r.ends(e, from, other, t, result, err)
}

// begins tells of the pair and reaches the other end for one of FROM, which it closes where it cannot.
func (r *run) begins(ctx context.Context, from *socket.Socket, to reacher) (*entry, *socket.Socket, *target, error) {
	p := r.peerOf(from)
	e := r.account.begin(p.Text, isSession(from))
	p.Pair = e.Number
	if r.Began != nil {
		r.Began(p)
	}
	other, t, err := to.reach(ctx, p)
	r.gate.Started(from)
	if err == nil {
		err = introduce(from, other, t)
	}
	if err != nil {
		if told, _ := answer(from, nil, err); told {
			from.Close()
		} else {
			accept.Refuse(r.life, from, e.Began)
		}
		return nil, nil, nil, r.ended(e, Result{How: outcome.Failed, Side: B, Duration: time.Since(e.Began)}, err)
	}
	r.account.reached(e, t.text)
	if facts := other.Facts().String(); facts != "" {
		r.log.Debug("the target's layers are ready", "pair", e.Number, "target", t.text, "facts", facts)
	}
	return e, other, &t, nil
}

// joint is what joins the two ends.
func (r *run) joint(e *entry, from, other *socket.Socket, t *target) func(context.Context) (*Result, error) {
	return join.Prepare(r.from.of(from), t.of(other), r.options(e, from, other))
}

// ends tells how a pair ended.
func (r *run) ends(e *entry, from, other *socket.Socket, t *target, result *Result, err error) error {
	var needs *join.NeedsFormatError
	var failed *outcome.EndError
	switch {
	case err == nil && (isSession(from) && result.From[A].EndOfFile || isSession(other) && result.From[B].EndOfFile):
		result.How = outcome.Idle // as sessions end
	case result.How == outcome.Idle, result.How == outcome.Lifetime:
		r.ended(e, *result, nil) // which says it all
		return err
	case errors.Is(err, socket.ErrDescriptorsRefused):
		err = errFiles
	case errors.As(err, &failed) && errors.Is(failed.Err, syscall.EBADF):
		failed.Err = &socket.HintError{Err: failed.Err, Hint: "it is open for reading only, and data came for it"}
	case errors.As(err, &needs):
		bytes, messages := r.from.Address, t.Address
		if needs.Side == B {
			bytes, messages = messages, bytes
		}
		err = &PairError{r.from.Address, t.Address, needsFormat(bytes, messages)}
	}
	return programOutcome(from, other, result.Side, r.ended(e, *result, err))
}

// programOutcome is the error of a pair for whoever waits for this one alone: of a
// program that is one of its ends, its exit status. by is the end that err is of.
func programOutcome(from, to *socket.Socket, by Side, err error) error {
	if err == nil || by == B {
		err = process.Outcome(to, err)
	}
	if err == nil || by == A {
		err = process.Outcome(from, err)
	}
	return err
}

// of makes an end of a socket of the address.
func (e end) of(s *socket.Socket) join.End {
	return join.End{Socket: s, Format: e.format, KeepOpen: e.keepOpen}
}

// isSession reports whether a socket has datagrams, which know no end: where
// one reads as ended, it is that of a session that is over.
func isSession(s *socket.Socket) bool {
	p := s.Properties()
	return p.Bounded && !p.Connected
}

// idle is how long nothing may pass through a pair.
func (r *run) idle(e *entry) time.Duration {
	l := &r.now().Limits
	if session := l.sessionIdle(); e.session && session > 0 && (l.Idle <= 0 || l.Idle > session) {
		return session
	}
	return l.Idle
}

// files is what becomes of descriptors that come.
func (c *Config) files() pass.FilePolicy {
	if c.PassFiles {
		return pass.PassFiles
	}
	return pass.RefuseFiles
}

func (r *run) options(e *entry, from, other *socket.Socket) join.Options {
	o := join.Options{
		MaxMessage: r.MaxMessage, Idle: r.idle(e), Lifetime: r.now().Lifetime,
		Files: r.files(), Pace: r.pace(), Progress: &e.progress,
		OneWay: r.OneWay, Drop: process.IsProgram(other),
	}
	if r.Paired != nil {
		r.Paired(r.account.pair(e), [2]*socket.Socket{from, other})
	}
	if r.Filter != nil {
		p := r.account.pair(e)
		o.Filter = func(ctx context.Context, from Side, next func(Piece) error) Filter {
			return r.Filter(ctx, p, from, next)
		}
	}
	if r.Passed != nil {
		o.OnPassed = func(from Side, bytes, messages int) { r.Passed(e.Number, from, bytes, messages) }
	}
	o.OnEOF = func(side Side) {
		if side == A && isSession(from) {
			r.rests(other)
		}
	}
	switch {
	case isSession(from) || isSession(other):
		o.IdleAfterEOF = datagramIdle
	case r.from.passive || other.Domain() != socket.Unspecified:
		o.IdleAfterEOF = untoldIdle
	}
	o.OnRefused = func(from Side, err error) {
		if errors.Is(err, socket.ErrDescriptorsRefused) {
			err = errFiles
		}
		r.log.Warn("a message was refused", "pair", e.Number, "from", [2]string{e.Peer, e.Target}[from], "error", err)
	}
	return o
}

// ended closes the entry of a pair, tells of it, and returns why it did not end
// in order.
func (r *run) ended(e *entry, result Result, err error) error {
	p := r.account.end(e, result, err)
	if r.tells(result.How) {
		r.Ended(p)
	}
	return err
}

// tells reports whether Ended is to hear of a pair that ended so.
func (h *Hooks) tells(how outcome.EndReason) bool {
	return h.Ended != nil && (how == outcome.Failed || !h.OnlyFailures)
}
