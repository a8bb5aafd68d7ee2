package loop

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
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

	// MaxConns bounds the Conns that are open at once; 0 or less is no bound.
	// Beyond it nothing is accepted.
	MaxConns int64

	// Idle ends a Conn when nothing passed in either direction for so long,
	// and Lifetime so long after it was joined. 0 or less is never.
	Idle, Lifetime time.Duration

	// Rate bounds what each side of each Conn sends, in octets a second, and
	// TotalRate what all of them do together. 0 or less is no bound.
	Rate, TotalRate int64

	// Files says what happens to descriptors that come over a unix stream.
	Files FilePolicy

	// Stopped, if not nil, is called once nothing is accepted any more: the
	// listeners may then be closed.
	Stopped func()

	workers []*worker
	failed  chan error   // of a listener
	open    atomic.Int64 // Conns
	full    atomic.Bool  // a worker stopped accepting for MaxConns
	total   meter
}

// A worker is a loop of a Group with what it serves.
type worker struct {
	*Loop
	group     *Group
	listeners []*listener
	conns     *Conn        // the first of those that are open
	count     atomic.Int64 // of them, and of those on the way here
	draining  bool
	cut       bool // what was open has been reset
	spareHeld []*held
	line      line // for the total rate

	// For system calls.
	name      sys.Sockaddr
	message   sys.Msg
	control   []byte
	option    [4]byte
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

// Listen makes a loop for each of the lists, which accepts from the listeners
// in it once Serve runs. Either each list has sockets of its own, for the same
// names in the same order, or all but the first are empty, and the loops share
// those. The listeners stay the caller's, see Stopped.
func (g *Group) Listen(lists ...[]Listening) error {
	g.total.start = time.Now()
	g.failed = make(chan error, 1)
	for _, list := range lists {
		shared := len(lists) > 1 && len(lists[len(lists)-1]) == 0
		if len(list) == 0 {
			list = lists[0]
		}
		l, err := New()
		if err == nil {
			w := &worker{Loop: l, group: g}
			w.line.w = w
			g.workers = append(g.workers, w)
			err = w.listen(list, shared)
		}
		if err != nil {
			for _, w := range g.workers {
				w.Close()
			}
			return err
		}
	}
	return nil
}

// Serve accepts until ctx ends, and returns when all Conns are over. When life
// ends those that are left are reset. It follows on Listen. The error is that
// of a listener that failed for good, which ends Serve like the end of ctx.
func (g *Group) Serve(ctx, life context.Context) error {
	var failure error
	var running sync.WaitGroup
	for _, w := range g.workers {
		running.Go(func() { w.Run(context.Background()) })
	}
	running.Go(func() {
		select {
		case <-ctx.Done():
		case <-life.Done():
		case failure = <-g.failed:
		}
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

// Each calls f for each Conn that is open, on its loop, and returns when it has.
// Conns that come and go meanwhile may be missed.
func (g *Group) Each(f func(*Conn)) {
	g.each(func(w *worker) {
		for c := w.conns; c != nil; {
			next := c.next
			f(c)
			c = next
		}
	})
}

// each calls f on each loop that is not over, and returns when it has.
func (g *Group) each(f func(*worker)) {
	var asked sync.WaitGroup
	for _, w := range g.workers {
		asked.Add(1)
		if !w.Post(func() { defer asked.Done(); f(w) }) {
			asked.Done()
		}
	}
	asked.Wait()
}

// add makes a Conn of an accepted descriptor.
func (w *worker) add(fd int, from *listener, peer *sys.Sockaddr) {
	if w.cut || w.over { // it was on its way from another loop
		sys.Close(fd)
		w.gone()
		return
	}
	c := &Conn{w: w, began: w.Time()}
	c.sides[A].init(c, fd, from.Kind)
	c.sides[B].fd = -1
	c.next = w.conns
	if c.next != nil {
		c.next.prev = c
	}
	w.conns = c
	if from.Kind != Plain && !from.Inline {
		w.inline(fd)
	}
	if err := w.Add(fd, streamEvents, &c.sides[A]); err != nil {
		c.finish(Broken, A, "epoll_ctl", errnoOf(err))
		return
	}
	w.group.Service.Accepted(c, from.n, peer)
}

// ended forgets a Conn that is over.
func (w *worker) ended(c *Conn, how Ending) {
	if c.next != nil {
		c.next.prev = c.prev
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		w.conns = c.next
	}
	c.prev, c.next = nil, nil
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
		for _, w := range g.workers {
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
		w.conns.finish(Cancelled, A, "", 0)
	}
}

// inline leaves urgent octets at their place among the others.
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
