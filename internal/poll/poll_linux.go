package poll

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

// Events say what a descriptor is ready for, under the names of epoll(7).
type Events uint32

// The events. Failed and HungUp are told whether they were asked for or not.
const (
	Readable   Events = sys.EPOLLIN
	Writable   Events = sys.EPOLLOUT
	Urgent     Events = sys.EPOLLPRI   // urgent data came
	Failed     Events = sys.EPOLLERR   // an error is pending
	HungUp     Events = sys.EPOLLHUP   // both directions are over
	PeerClosed Events = sys.EPOLLRDHUP // nothing more will come

	// EdgeTriggered, among the events that Add is asked for, makes the loop
	// tell each change once. Who asks for it goes on until EAGAIN, or asks for
	// another turn with Again. Without it the loop tells what holds, every
	// time.
	EdgeTriggered Events = sys.EPOLLET
)

// A Handler is what a descriptor belongs to.
type Handler interface {
	// Ready is called with the events that hold. It must not wait, and must
	// not do much at once: see the package comment. It may do anything to the
	// loop, as removing descriptors, its own included.
	Ready(Events)
}

// A Loop calls handlers when their descriptors are ready. See the package
// comment for what may be called from where.
type Loop struct {
	ep      int
	start   time.Time
	timers  wheel
	entries []entry // by descriptor
	again   []again
	spare   []again // what again was before, for use again
	post    mailbox
	over    bool // Stop was called
	turns   uint32
	time    time.Duration // of the turn
	scratch [ScratchSize]byte
	events  [maxEvents]sys.EpollEvent
	event   sys.EpollEvent // of a call of EpollCtl
}

// An entry is a descriptor that is in the loop. An event of a descriptor that
// was removed, and whose number another has by now, differs in the turn.
type entry struct {
	handler Handler // nil if it is not in the loop
	turn    int32   // grows with each Add
}

type again struct {
	fd     int
	turn   int32
	events Events
}

const (
	// ScratchSize is the size of the shared buffer in bytes.
	ScratchSize = 64 << 10

	maxEvents = 256 // of one epoll_wait
)

// New returns a loop without descriptors. Run, or Close where there is no Run,
// gives back what it holds.
func New() (*Loop, error) {
	ep, errno := sys.EpollCreate()
	if errno != 0 {
		return nil, os.NewSyscallError("epoll_create1", errno)
	}
	l := &Loop{ep: ep, start: time.Now()}
	if err := l.post.open(l); err != nil {
		sys.Close(ep)
		return nil, err
	}
	return l, nil
}

// Run calls handlers, timers and posted functions until ctx ends or Stop is
// called, on a thread of its own. Then the loop is gone; the descriptors that
// are still in it belong to their handlers. It can be called once.
func (l *Loop) Run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Post(l.Stop) })()
	for !l.over {
		l.turn(true)
	}
}

// Stop makes Run return after the present turn.
func (l *Loop) Stop() { l.over = true }

// Close ends a loop that does not run. Functions that were posted are called
// before it returns.
func (l *Loop) Close() {
	l.post.close()
	if l.ep >= 0 {
		sys.Close(l.ep)
		l.ep = -1
	}
}

// turn calls what is ready, and first waits for it if it may.
func (l *Loop) turn(mayWait bool) {
	n, errno := sys.EpollPoll(l.ep, l.events[:])
	if n == 0 && errno == 0 && mayWait && len(l.again) == 0 {
		if ms := l.untilTimer(); ms != 0 {
			n, errno = sys.EpollWait(l.ep, l.events[:], ms)
		}
	}
	if errno != 0 && errno != syscall.EINTR {
		panic("poll: epoll_wait: " + errno.Error()) // its descriptor was closed by somebody
	}
	l.turns++
	l.time = l.Now()
	for _, e := range l.events[:n] {
		l.call(int(e.Fd), e.Pad, Events(e.Events))
	}
	if len(l.again) > 0 {
		todo := l.again
		l.again, l.spare = l.spare[:0], nil
		for _, a := range todo {
			l.call(a.fd, a.turn, a.events)
		}
		l.spare = todo
	}
	l.timers.advance(int64(l.Now() / tick))
}

func (l *Loop) call(fd int, turn int32, events Events) {
	if e := &l.entries[fd]; e.handler != nil && e.turn == turn {
		e.handler.Ready(events)
	}
}

// untilTimer returns for how many milliseconds there is no timer, -1 for ever.
func (l *Loop) untilTimer() int {
	_, _, at, ok := l.timers.next()
	if !ok {
		return -1
	}
	left := time.Duration(at)*tick - l.Now()
	const day = 24 * time.Hour // fits the int of epoll_wait
	return int((min(max(left, 0), day) + tick - 1) / tick)
}

// Now returns the time since the loop was made.
func (l *Loop) Now() time.Duration { return time.Since(l.start) }

// Turn counts the turns of the loop, and wraps.
func (l *Loop) Turn() uint32 { return l.turns }

// Time returns what Now was when the turn began, which costs nothing.
func (l *Loop) Time() time.Duration { return l.time }

// Add calls h when one of events happens on fd, which must be nonblocking and
// must not be in the loop yet. Failed and HungUp are always among the events.
func (l *Loop) Add(fd int, events Events, h Handler) error {
	if fd >= len(l.entries) {
		entries := make([]entry, max(fd+1, len(l.entries)*3/2))
		copy(entries, l.entries)
		l.entries = entries
	}
	e := &l.entries[fd]
	if errno := l.control(sys.EPOLL_CTL_ADD, fd, e.turn+1, events); errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	*e = entry{h, e.turn + 1}
	return nil
}

// Change makes the loop tell other events of fd, which is in the loop.
func (l *Loop) Change(fd int, events Events) error {
	if errno := l.control(sys.EPOLL_CTL_MOD, fd, l.entries[fd].turn, events); errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

func (l *Loop) control(op, fd int, turn int32, events Events) syscall.Errno {
	l.event = sys.EpollEvent{Events: uint32(events), Fd: int32(fd), Pad: turn}
	return sys.EpollCtl(l.ep, op, fd, &l.event)
}

// Remove takes fd out of the loop and leaves it open. Its handler is not
// called any more, even for events that have happened already. It does nothing
// to a descriptor that is not in the loop.
func (l *Loop) Remove(fd int) {
	if l.forget(fd) {
		l.control(sys.EPOLL_CTL_DEL, fd, 0, 0)
	}
}

// CloseFD is Remove and close(2). It saves a system call, since the kernel
// takes a descriptor that nobody has a duplicate of out by itself; one that
// somebody has needs Remove.
func (l *Loop) CloseFD(fd int) {
	l.forget(fd)
	sys.Close(fd)
}

func (l *Loop) forget(fd int) bool {
	if fd >= len(l.entries) || l.entries[fd].handler == nil {
		return false
	}
	l.entries[fd].handler = nil
	return true
}

// Again calls fd's handler with those events in the next turn, after the
// events of the other descriptors: for a handler that has more to do than it
// should do at once. Each call is one more.
func (l *Loop) Again(fd int, events Events) {
	l.again = append(l.again, again{fd, l.entries[fd].turn, events})
}

// Scratch is a buffer of ScratchSize bytes for whoever runs on the loop. What
// is in it is lost when a handler returns.
func (l *Loop) Scratch() []byte { return l.scratch[:] }

// Arm makes t call its owner after d, or with the next turn if that is nothing
// or less. A timer that was armed is no more what it was.
func (l *Loop) Arm(t *Timer, d time.Duration, owner Expirer) {
	l.timers.arm(t, int64((l.Now()+max(d, 0)+tick-1)/tick), owner)
}

// Disarm makes t call nobody. It does nothing to a timer that is not armed.
func (l *Loop) Disarm(t *Timer) { l.timers.disarm(t) }
