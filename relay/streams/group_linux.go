package streams

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/pass"
	"zocalo/internal/poll"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
)

// A Service says what becomes of the connections of a [Group]. Its methods are
// called on the loops, for different Conns at once, and must not wait.
type Service interface {
	// Accepted is told of a connection and where it came from; listener is
	// its place in the list that Listen was given. It calls one of Conn's Connect, Join,
	// Echo and End, or does so later, by Loop.Post. peer is valid during the
	// call only.
	Accepted(c *Conn, listener int, peer *sys.Sockaddr)
	// ConnectFailed is told that Conn.Connect failed. It calls what Accepted
	// may call.
	ConnectFailed(c *Conn, call string, errno syscall.Errno)
	// Ended is told that a Conn is over, and its descriptors closed.
	Ended(c *Conn, how Ending)
	// Paused is told that accepting pauses, since descriptors or memory are
	// out.
	Paused(listener int, errno syscall.Errno)
}

// A Group is a number of loops that serve the same listeners. Service is
// needed; the zero values of the rest are good. The fields must not change once
// Listen was called, and it serves once.
type Group struct {
	Service Service

	Limits // at first, see SetLimits

	// Files says what happens to descriptors that come over a unix stream.
	Files pass.FilePolicy

	// Stopped, if not nil, is called once nothing is accepted any more: the
	// listeners may then be closed.
	Stopped func()

	// OnJoined, if not nil, is told of a Conn that Connect has joined, and OnPassed of
	// bytes that were written: both on the loop, which must not wait.
	OnJoined func(*Conn)
	OnPassed func(c *Conn, from outcome.Side, bytes int)

	limits atomic.Pointer[Limits]
	made   atomic.Pointer[[]*worker] // by Listen, which others may not wait for
	still  atomic.Int64              // calls of Each: no Conn goes to another loop meanwhile
	failed chan error                // of a listener
	open   atomic.Int64              // Conns
	full   atomic.Bool               // a worker stopped accepting for MaxConns
	drains atomic.Bool               // the workers end, each with its last Conn
	total  meter
}

// Limits bound what a Group does. A limit of 0 or less is none.
type Limits struct {
	// MaxConns bounds the Conns that are open at once. Beyond it nothing is accepted.
	MaxConns int64

	// Idle ends a Conn when nothing passed in either direction for so long,
	// and Lifetime so long after it was joined.
	Idle, Lifetime time.Duration

	// Rate bounds what each side of each Conn sends, in bytes a second, and
	// TotalRate what all of them do together.
	Rate, TotalRate int64
}

// SetLimits changes the limits while the Group serves, of Conns that are open too.
func (g *Group) SetLimits(l Limits) {
	g.limits.Store(&l)
	g.each(func(w *worker) {
		w.resume()
		for c := w.conns; c != nil; c = c.next {
			if c.state == joined {
				c.schedule()
			}
		}
	})
}

// A worker is a loop of a Group with what it serves.
type worker struct {
	*poll.Loop
	group     *Group
	listeners []*listener
	conns     *Conn           // the first of those that are open
	count     atomic.Int64    // of them, and of those on the way here
	bulk      atomic.Int64    // sides that are spliced, see splices
	passed    [2]atomic.Int64 // bytes, by the side they came from
	draining  bool
	cut       bool    // what was open has been reset
	leaving   []*Conn // to be given away at the end of the turn
	refused   refused // descriptors that are about to be reset
	spareHeld []*held
	turn      *side      // whose turn it is by the total rate
	lineTimer poll.Timer // of whoever is first in line

	// For system calls.
	name      sys.Sockaddr
	message   sys.Msg
	control   []byte
	option    [16]byte
	optionLen uint32
	number    int32
}

// A Listening is a listener that a loop accepts from.
type Listening struct {
	FD   int // nonblocking, and nobody else's to accept from
	Kind StreamKind

	// Inline says that SO_OOBINLINE was set before it listened, and that its
	// connections have it from there. It saves a system call for each.
	Inline bool
}

// Loops is how many loops serve where n are asked for: one for each processor
// that Go uses where that is 0 or less, and 1024 at most.
func Loops(n int) int {
	if n <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return min(n, 1024)
}

// Listen makes a loop for each of the lists, which accepts from the listeners
// in it once Serve runs. Either each list has sockets of its own, for the same
// names in the same order, or all but the first are empty, and the loops share
// those. The listeners stay the caller's, see Stopped.
func (g *Group) Listen(lists ...[]Listening) error {
	g.total.start = time.Now()
	g.limits.Store(&g.Limits)
	g.failed = make(chan error, 1)
	var workers []*worker
	for _, list := range lists {
		shared := len(lists) > 1 && len(lists[len(lists)-1]) == 0
		if len(list) == 0 {
			list = lists[0]
		}
		l, err := poll.New()
		if err == nil {
			w := &worker{Loop: l, group: g}
			w.refused.w = w
			workers = append(workers, w)
			err = w.listen(list, shared)
		}
		if err != nil {
			for _, w := range workers {
				w.Close()
			}
			return err
		}
	}
	g.made.Store(&workers)
	return nil
}

// workers are the loops, none before Listen.
func (g *Group) workers() []*worker {
	if made := g.made.Load(); made != nil {
		return *made
	}
	return nil
}

// Serve accepts until ctx ends, and returns when all Conns are over. When life
// ends those that are left are reset. It follows on Listen. The error is that
// of a listener that failed for good, which ends Serve like the end of ctx.
func (g *Group) Serve(ctx, life context.Context) error {
	var failure error
	var running sync.WaitGroup
	for _, w := range g.workers() {
		running.Go(func() {
			w.Run(context.Background())
			w.refused.reset(len(w.refused.all))
		})
	}
	running.Go(func() {
		select {
		case <-ctx.Done():
		case <-life.Done():
		case failure = <-g.failed:
		}
		g.drains.Store(true)
		g.each((*worker).drain)
		if g.Stopped != nil {
			g.Stopped()
		}
	})
	defer context.AfterFunc(life, func() { g.each((*worker).reset) })()
	running.Wait()
	return failure
}

// Open returns how many Conns are open.
func (g *Group) Open() int { return int(g.open.Load()) }

// Passed returns how many bytes have passed from each side, of all Conns that there
// were.
func (g *Group) Passed() (from [2]int64) {
	for _, w := range g.workers() {
		for side := range from {
			from[side] += w.passed[side].Load()
		}
	}
	return from
}

// Each calls f for each Conn that is open, on its loop, and returns when it has.
// Conns that come and go meanwhile may be missed.
func (g *Group) Each(f func(*Conn)) {
	g.still.Add(1)
	g.each(func(*worker) {}) // what was on its way to another loop has left by now, and arrives before f
	g.each(func(w *worker) {
		for c := w.conns; c != nil; {
			next := c.next
			f(c)
			c = next
		}
	})
	if g.still.Add(-1) == 0 {
		for _, w := range g.workers() {
			w.Post(w.giveAway)
		}
	}
}

// each calls f on each loop that is not over, and returns when it has.
func (g *Group) each(f func(*worker)) {
	var asked sync.WaitGroup
	for _, w := range g.workers() {
		asked.Add(1)
		if !w.Post(func() { defer asked.Done(); f(w) }) {
			asked.Done()
		}
	}
	asked.Wait()
}

// add makes a Conn of an accepted descriptor.
func (w *worker) add(fd int, from *listener, peer *sys.Sockaddr) {
	if w.cut { // while it was on its way from another loop
		Reset(fd)
		w.gone()
		return
	}
	c := &Conn{w: w, began: w.Time()}
	c.sides[outcome.A].init(c, fd, from.Kind)
	c.sides[outcome.B].fd = -1
	w.remember(c)
	if from.Kind != Plain && !from.Inline {
		w.inline(fd)
	}
	if err := w.Add(fd, streamEvents, &c.sides[outcome.A]); err != nil { // fs.epoll.max_user_watches, or memory
		w.listeners[from.n].short(errnoOf(err))
		c.End(outcome.Failed, outcome.A, "epoll_ctl", errnoOf(err))
		return
	}
	w.group.Service.Accepted(c, from.n, peer)
}

// Take joins two connected, nonblocking streams that were accepted and reached by
// somebody else, and are the Group's from then on. It returns false, having done nothing,
// once the loops end. The Service is told no more of them than their end, with data as
// the Conn's.
func (g *Group) Take(data any, a int, ka StreamKind, b int, kb StreamKind) bool {
	to := g.workers()[0]
	for _, w := range g.workers()[1:] {
		if w.count.Load() < to.count.Load() {
			to = w
		}
	}
	if !to.expects() {
		return false
	}
	g.open.Add(1)
	return to.Post(func() {
		c := &Conn{Data: data, w: to, began: to.Time()}
		c.sides[outcome.A].init(c, a, ka)
		c.sides[outcome.B].init(c, b, kb)
		to.remember(c)
		if to.cut { // meanwhile
			c.End(outcome.Cancelled, outcome.A, "", 0)
			return
		}
		if ka != Plain {
			to.inline(a)
		}
		if err := to.Add(a, streamEvents, &c.sides[outcome.A]); err != nil {
			c.End(outcome.Failed, outcome.A, "epoll_ctl", errnoOf(err))
			return
		}
		c.Join(b, kb)
	})
}

// remember puts a Conn among those that are open.
func (w *worker) remember(c *Conn) {
	if c.next = w.conns; c.next != nil {
		c.next.prev = c
	}
	w.conns = c
}

// forget takes it out.
func (w *worker) forget(c *Conn) {
	if c.next != nil {
		c.next.prev = c.prev
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		w.conns = c.next
	}
	c.prev, c.next = nil, nil
}

// ended forgets a Conn that is over.
func (w *worker) ended(c *Conn, how Ending) {
	w.forget(c)
	w.group.Service.Ended(c, how)
	w.gone()
}

// gone gives back the place of a Conn.
func (w *worker) gone() {
	w.count.Add(-1)
	w.group.giveBack()
	w.stopIfDone()
}

// giveBack gives back a place, also one that was taken for nothing: a loop that
// found none meanwhile accepts again.
func (g *Group) giveBack() {
	g.open.Add(-1)
	if g.full.Load() && g.full.CompareAndSwap(true, false) {
		for _, w := range g.workers() {
			w.Post(w.resume)
		}
	}
}

// drain stops accepting; the loop ends with its last Conn.
func (w *worker) drain() {
	if w.draining {
		return
	}
	w.draining = true
	for _, l := range w.listeners {
		l.close()
	}
	w.stopIfDone()
}

// expects counts a Conn that another loop is about to hand to this one, which
// then does not end before. It reports false where it may have ended.
func (w *worker) expects() bool {
	w.count.Add(1)
	if !w.group.drains.Load() {
		return true
	}
	w.count.Add(-1)
	w.Post(w.stopIfDone)
	return false
}

// stopIfDone ends the loop once nothing can come any more.
func (w *worker) stopIfDone() {
	if w.draining && w.count.Load() == 0 {
		w.Stop()
	}
}

// reset ends all Conns.
func (w *worker) reset() {
	w.cut = true
	for w.conns != nil {
		w.conns.End(outcome.Cancelled, outcome.A, "", 0)
	}
}

// inline leaves urgent bytes at their place among the others.
func (w *worker) inline(fd int) {
	sys.RawSetsockopt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, one)
}

// errnoOf returns the errno of an error of the Loop's.
func errnoOf(err error) syscall.Errno {
	var sc *os.SyscallError
	var errno syscall.Errno
	if errors.As(err, &sc) && errors.As(sc.Err, &errno) {
		return errno
	}
	return syscall.EINVAL
}
