package streams

import (
	"os"
	"syscall"
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/poll"
	"zocalo/internal/sys"
)

// A listener accepts for a worker.
type listener struct {
	Listening
	w      *worker
	n      int           // its place in the list
	events poll.Events   // what the loop is asked for
	timer  poll.Timer    // while accepting pauses for want of something
	pause  time.Duration // the last
	failed int           // errors in a row that pass by themselves
	paused bool          // it is not among what the loop waits for
}

const (
	// maxAccepts bounds what is accepted before others have their turn.
	maxAccepts = 16

	// maxPassing is how many errors in a row, each said to pass by itself,
	// are believed.
	maxPassing = 100
)

// listen makes the worker accept, from what others accept from as well if
// shared: the kernel then wakes one of them for a connection.
func (w *worker) listen(list []Listening, shared bool) error {
	events := poll.Readable
	if shared {
		events |= exclusive
	}
	for n, from := range list {
		l := &listener{Listening: from, w: w, n: n, events: events}
		if err := w.Add(l.FD, events, l); err != nil {
			return err
		}
		w.listeners = append(w.listeners, l)
	}
	return nil
}

// exclusive is for a descriptor that is in several loops (Linux 4.5).
const exclusive poll.Events = sys.EPOLLEXCLUSIVE

func (l *listener) close() {
	l.w.Remove(l.FD)
	l.w.Disarm(&l.timer)
	l.paused = false
}

// Ready implements Handler.
func (l *listener) Ready(poll.Events) {
	g := l.w.group
	most := g.limits.Load().MaxConns
	for range maxAccepts {
		if most > 0 && g.open.Load() >= most {
			l.wait()
			g.full.Store(true)
			if g.open.Load() < g.limits.Load().MaxConns { // one ended before it could see that
				l.resume()
			}
			return
		}
		// The place is taken first, so that two loops do not take the same.
		if g.open.Add(1) > most && most > 0 {
			g.giveBack()
			continue
		}
		fd, errno := sys.RawAccept(l.FD, &l.w.name)
		if errno != 0 {
			g.giveBack()
			if l.refused(errno) {
				continue
			}
			return
		}
		l.pause, l.failed = 0, 0
		if l.hand(fd); l.paused {
			return
		}
	}
}

// uneven is by how many Conns a loop may have more than another one before it
// hands over what it accepts.
const uneven = 4

// hand gives a connection to this loop, or to the one that has the fewest if
// that is far behind.
func (l *listener) hand(fd int) {
	to := l.w
	for _, w := range l.w.group.workers() {
		if w.count.Load() < to.count.Load() {
			to = w
		}
	}
	if l.w.count.Load()-to.count.Load() <= uneven || !to.expects() {
		l.w.count.Add(1)
		l.w.add(fd, l, &l.w.name)
		return
	}
	peer := l.w.name
	to.Post(func() { to.add(fd, l, &peer) })
}

// refused deals with an error of accept(2), and reports whether to go on.
func (l *listener) refused(errno syscall.Errno) bool {
	switch {
	case errno == syscall.EAGAIN:
		return false
	case pass.IsShortage(errno):
		l.short(errno)
		return false
	case pass.IsPassing(errno):
		if l.failed++; l.failed <= maxPassing {
			return true
		}
		l.rest()
		return false
	}
	l.close()
	select {
	case l.w.group.failed <- os.NewSyscallError("accept", errno):
	default: // another one failed first
	}
	return false
}

// short accepts nothing for a while, since something is out.
func (l *listener) short(errno syscall.Errno) {
	if l.w.draining {
		return
	}
	l.w.group.Service.Paused(l.n, errno)
	l.rest()
}

// rest accepts nothing for a while.
func (l *listener) rest() {
	l.pause = pass.ShortBackoff.After(l.pause)
	l.wait()
	l.w.Arm(&l.timer, l.pause, l)
}

// wait accepts nothing until resume.
func (l *listener) wait() {
	if !l.paused {
		l.paused = true
		l.w.Remove(l.FD)
	}
}

func (l *listener) resume() {
	if l.paused && !l.timer.Armed() {
		if err := l.w.Add(l.FD, l.events, l); err != nil {
			l.w.Arm(&l.timer, pass.ShortBackoff.Last, l) // for want of memory
			return
		}
		l.paused = false
	}
}

// Expired implements Expirer.
func (l *listener) Expired(*poll.Timer) { l.resume() }

// resume accepts again, now that there are places.
func (w *worker) resume() {
	for _, l := range w.listeners {
		l.resume()
	}
}
