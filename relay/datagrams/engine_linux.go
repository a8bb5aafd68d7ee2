package datagrams

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"zocalo/internal/loop"
	"zocalo/internal/sys"
	"zocalo/relay"
	"zocalo/socket"
)

const supported = true

// An engine is one call of Serve: a loop and all that runs on it. Only what is
// said to may be called from elsewhere.
type engine struct {
	*Relay
	loop *loop.Loop
	log  *slog.Logger

	nears  []*near
	recent recent // the sessions, by when something passed
	inbox  *inbox
	outbox *outbox
	pieces []piece // of the call in progress
	peer   []byte  // of the message in hand

	// The messages that a near socket has just received, by their slots in
	// the inbox: each in a list of its session's.
	batch    [mostBatch]piece
	after    [mostBatch]int8 // the next in its list; -1 at the end
	gathered []*session      // that have got some

	ahead, singly direction // to the far sockets, and to those in the domain unix
	trouble       episodes
	total         bucket
	held          int // octets in the queues of sessions whose far socket is there, of what the peers sent

	waiting    []*session // that wait for time to pass
	tick       loop.Timer // looks after them
	idleTimer  loop.Timer
	drainTimer loop.Timer

	errorMessage sys.Msg // of the queue of errors
	errorControl [512]byte

	dial     dialing
	draining bool
	over     bool
	err      error
}

// The bounds of what is held because it could not leave yet, in octets. They
// are looked at between system calls, each of which may add what fits an
// inbox.
const (
	mostHeldBySession = 256 << 10 // then the near socket is not read
	mostHeld          = 16 << 20  // by all, then no near socket is read
	mostHeldDialing   = 16 << 20  // by the sessions without a far socket, then messages for them are lost
)

// drainIdle is how long nothing may pass through a session while Serve ends.
const drainIdle = time.Second

func (r *Relay) serve(ctx context.Context, sockets []*socket.Socket) error {
	l, err := loop.New()
	if err != nil {
		return fmt.Errorf("datagrams: %w", err)
	}
	e := &engine{Relay: r, loop: l, log: r.log(), inbox: newInbox(r.maxMessage()), outbox: newOutbox(), trouble: episodes{}}
	e.pieces = make([]piece, 0, mostBatch)
	e.ahead = direction{from: relay.A, trains: true, refuse: e.refuser("to the far side")}
	e.singly = direction{from: relay.A}
	e.recent.init()
	for _, s := range sockets {
		if err := e.addNear(s); err != nil {
			l.Close()
			return err
		}
	}
	var dialContext context.Context
	dialContext, e.dial.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.dial.ctx = dialContext
	r.mu.Lock()
	r.running = append(r.running, e)
	if r.aborted {
		e.abort()
	}
	r.mu.Unlock()

	stop := context.AfterFunc(ctx, func() { l.Post(e.drain) })
	l.Run(context.WithoutCancel(ctx))
	stop()
	e.dial.cancel()
	e.dial.workers.Wait()
	r.mu.Lock()
	for i := range r.running {
		if r.running[i] == e {
			r.running = append(r.running[:i:i], r.running[i+1:]...)
			break
		}
	}
	r.mu.Unlock()
	return e.err
}

// abort may be called from anywhere.
func (e *engine) abort() { e.loop.Post(e.finish) }

// appendSessions may be called from anywhere.
func (e *engine) appendSessions(all []Session) []Session {
	var wg sync.WaitGroup
	wg.Add(1)
	if !e.loop.Post(func() {
		defer wg.Done()
		for s := e.recent.newest(); s != nil; s = e.recent.older(s) {
			all = append(all, s.snapshot())
		}
	}) {
		return all
	}
	wg.Wait()
	return all
}

// drain begins no session any more, and ends when there is none.
func (e *engine) drain() {
	if e.over || e.draining {
		return
	}
	e.draining = true
	if e.Drain == 0 || e.recent.len == 0 {
		e.finish()
		return
	}
	if e.Drain > 0 {
		e.loop.Arm(&e.drainTimer, e.Drain, e)
	}
	e.watchIdle()
}

func (e *engine) fail(err error) {
	if e.err == nil && !e.over {
		e.err = err
	}
	e.finish()
}

// finish ends all sessions, and the loop.
func (e *engine) finish() {
	if e.over {
		return
	}
	e.over = true
	e.flush()
	for s := e.recent.oldest(); s != nil; s = e.recent.oldest() {
		s.end(relay.Cancelled, nil)
	}
	for _, n := range e.nears {
		e.loop.Remove(n.fd)
	}
	e.loop.Stop()
}

// Expired implements loop.Expirer.
func (e *engine) Expired(t *loop.Timer) {
	switch t {
	case &e.tick:
		e.lookAfterWaiting()
	case &e.idleTimer:
		e.expire()
	case &e.drainTimer:
		e.finish()
	}
}

// idleLimit is how long nothing may pass through a session; 0 for ever.
func (e *engine) idleLimit() time.Duration {
	idle := max(e.idle(), 0)
	if e.draining && (idle == 0 || idle > drainIdle) {
		return drainIdle
	}
	return idle
}

// watchIdle makes the timer look at the session that was idle longest when its
// time would be over.
func (e *engine) watchIdle() {
	s, limit := e.recent.oldest(), e.idleLimit()
	if s != nil && limit > 0 {
		e.loop.Arm(&e.idleTimer, s.last+limit-e.loop.Now(), e)
	}
}

// expire ends the sessions that were idle for too long.
func (e *engine) expire() {
	limit, now := e.idleLimit(), e.loop.Now()
	for s := e.recent.oldest(); s != nil && s.last+limit <= now; s = e.recent.oldest() {
		s.end(relay.Idle, nil)
	}
	e.watchIdle()
}

// flush sends all answers that were received, and gives the inbox back.
func (e *engine) flush() {
	for _, n := range e.nears {
		n.flush()
	}
	e.inbox.used = 0
}

// wait makes the tick look after a session.
func (e *engine) wait(s *session) {
	if !s.waits {
		s.waits = true
		e.waiting = append(e.waiting, s)
	}
	e.startTick()
}

// startTick makes the tick come, the later the more sessions wait, so that
// looking after them never takes much of the loop's time.
func (e *engine) startTick() {
	if !e.tick.Armed() {
		e.loop.Arm(&e.tick, time.Millisecond+time.Duration(len(e.waiting))*2*time.Microsecond, e)
	}
}

// lookAfterWaiting goes on with the sessions that waited for time to pass.
func (e *engine) lookAfterWaiting() {
	todo := e.waiting
	e.waiting = nil
	for _, s := range todo {
		s.waits = false
		if !s.over {
			s.resume()
		}
	}
	if e.waiting == nil {
		e.waiting = todo[:0]
	}
	for _, n := range e.nears {
		n.short = false
		n.adjust()
	}
}

// broke reports whether the total rate lets nothing pass.
func (e *engine) broke() bool {
	return e.TotalRate > 0 && e.total.inDebt(e.TotalRate, e.loop.Now())
}

// refuser returns what says that trains are off in a direction.
func (e *engine) refuser(where string) func(string) {
	return func(reason string) {
		e.log.Warn("datagrams leave one by one from now on", "direction", where, "reason", reason)
	}
}

// limited reports whether there are rates.
func (e *engine) limited() bool { return e.Rate > 0 || e.TotalRate > 0 }
