package datagrams

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"zocalo/internal/accept"
	"zocalo/internal/pass"
	"zocalo/internal/poll"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

const supported = true

// An engine is one call of Serve: a loop and all that runs on it. Only what is
// said to may be called from elsewhere.
type engine struct {
	*Relay
	Limits // that hold
	loop   *poll.Loop
	log    *slog.Logger

	nears  []*near
	recent pass.Recent[*session]
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
	trouble       pass.Trouble
	paid          time.Duration // for what passed at the total rate, until then
	kept          int           // bytes that sessions keep to send them to another target
	held          int           // bytes in the queues of sessions whose far socket is there, of what the peers sent

	resting   Resting
	waiting   []*session // that wait for time to pass
	tick      poll.Timer // looks after them
	idleTimer poll.Timer

	errorMessage sys.Msg // of the queue of errors
	errorControl [512]byte

	dial     dialing
	draining bool
	over     bool
	err      error
}

// The bounds of what is held because it could not leave yet, in bytes. They
// are looked at between system calls, each of which may add what fits an
// inbox.
const (
	mostHeldBySession = 256 << 10 // then the near socket is not read
	mostHeld          = 16 << 20  // by all, then no near socket is read
	mostKeptBySession = 16 << 10  // for another target; the first message always has room
	mostKept          = 16 << 20  // by all
	mostHeldDialing   = 16 << 20  // by the sessions without a far socket, then messages for them are lost
)

// drainIdle is how long nothing may pass through a session while Serve ends.
const drainIdle = time.Second

func (r *Relay) serve(ctx, life context.Context, sockets []*socket.Socket) error {
	l, err := poll.New()
	if err != nil {
		return fmt.Errorf("datagrams: %w", err)
	}
	e := &engine{Relay: r, loop: l, log: r.log(), inbox: newInbox(r.maxMessage()), outbox: newOutbox(), resting: Resting{Most: r.mostResting()}}
	e.pieces = make([]piece, 0, mostBatch)
	e.ahead = direction{from: outcome.A, trains: true, refuse: e.refuser("to the far side")}
	e.singly = direction{from: outcome.A}
	for _, s := range sockets {
		if err := e.addNear(s); err != nil {
			l.Close()
			return err
		}
	}
	var cancel context.CancelFunc
	e.dial.ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.mu.Lock()
	e.Limits = r.Limits
	e.recent = pass.Recent[*session]{Max: e.max(), MaxPerPeer: accept.MaxPerPeer(e.MaxPerPeer, e.max(), sockets...)}
	r.engine.Store(e)
	r.mu.Unlock()
	defer context.AfterFunc(ctx, func() { l.Post(e.drain) })()
	defer context.AfterFunc(life, func() { l.Post(e.finish) })()
	l.Run(context.WithoutCancel(ctx))
	cancel()
	e.dial.workers.Wait()
	return e.err
}

// sessions may be called from anywhere.
func (e *engine) sessions() (all []Session) {
	var wg sync.WaitGroup
	wg.Add(1)
	if !e.loop.Post(func() {
		defer wg.Done()
		for x := e.recent.Oldest(); x != nil; x = e.recent.Newer(x) {
			all = append(all, x.Session.snapshot())
		}
	}) {
		return all
	}
	wg.Wait()
	return all
}

// become has other limits hold. It may be called from anywhere.
func (e *engine) become(l Limits) { e.loop.Post(func() { e.limit(l) }) }

func (e *engine) limit(l Limits) {
	e.Limits = l
	e.recent.Max = e.max()
	if e.over {
		return
	}
	e.watchIdle()
	e.lookAfterWaiting()
}

// drain begins no session any more, and ends when there is none.
func (e *engine) drain() {
	if e.over || e.draining {
		return
	}
	e.draining = true
	if e.recent.Len() == 0 {
		e.finish()
		return
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
	for x := e.recent.Oldest(); x != nil; x = e.recent.Oldest() {
		x.Session.end(outcome.Cancelled, nil)
	}
	e.resting.Close()
	for _, n := range e.nears {
		e.loop.Remove(n.fd)
	}
	e.loop.Stop()
}

// Expired implements poll.Expirer.
func (e *engine) Expired(t *poll.Timer) {
	switch t {
	case &e.tick:
		e.lookAfterWaiting()
	case &e.idleTimer:
		e.watchIdle()
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

// watchIdle ends the sessions that were idle for too long, and has the timer look
// again when the next one could be.
func (e *engine) watchIdle() {
	limit := e.idleLimit()
	if limit <= 0 {
		return
	}
	x, in := e.recent.Idle(e.loop.Now(), limit)
	for ; x != nil; x, in = e.recent.Idle(e.loop.Now(), limit) {
		x.Session.end(outcome.Idle, nil)
	}
	if in > 0 {
		e.loop.Arm(&e.idleTimer, in, e)
	}
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
	return e.TotalRate > 0 && e.paid > e.loop.Now()
}

// refuser returns what says that trains are off in a direction.
func (e *engine) refuser(where string) func(string) {
	return func(reason string) {
		e.log.Warn("datagrams are sent one by one from now on", "direction", where, "reason", reason)
	}
}

// limited reports whether there are rates.
func (e *engine) limited() bool { return e.Rate > 0 || e.TotalRate > 0 }
