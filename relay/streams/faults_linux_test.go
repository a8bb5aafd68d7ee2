package streams_test

import (
	"math/rand/v2"
	"syscall"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
)

// faults stand before the system calls of the loops, and make some of them
// fail, or do less, as a kernel may. A call that is told EAGAIN, or that reads
// less than there is, is followed by an event, as the kernel would follow it:
// the descriptor is registered anew. Events are told in any order, and apart.
type faults struct {
	rng    *rand.Rand
	one    int                         // one call in so many
	hard   map[uintptr][]syscall.Errno // that end a Conn or an accept
	events map[int]registration        // by descriptor
	inside bool                        // in poll
	owed   map[int]bool                // descriptors to tell an event of
}

type registration struct {
	ep    int
	event sys.EpollEvent
}

// install makes the faults stand until remove.
func (f *faults) install() (remove func()) {
	f.events, f.owed = map[int]registration{}, map[int]bool{}
	sys.SetRawHook(f.hook)
	sys.SetEpollHook(&sys.EpollHook{Ctl: f.control, Poll: f.poll})
	return func() {
		sys.SetRawHook(nil)
		sys.SetEpollHook(nil)
	}
}

func (f *faults) rarely() bool { return f.rng.IntN(f.one) == 0 }

// hook is called by one loop only, so it needs no lock.
func (f *faults) hook(call uintptr, args *[6]uintptr) (n int, errno syscall.Errno, answered bool) {
	if list := f.hard[call]; list != nil && f.rarely() {
		return 0, list[f.rng.IntN(len(list))], true
	}
	if call != unix.SYS_CONNECT && call != unix.SYS_EPOLL_PWAIT && f.rng.IntN(2*f.one) == 0 {
		return 0, unix.EINTR, true // and the call is made again
	}
	fd := int(args[0])
	switch call {
	case unix.SYS_CONNECT:
		if f.rarely() {
			unix.RawSyscall(call, args[0], args[1], args[2])
			return 0, unix.EINTR, true // though it goes on
		}
	case unix.SYS_RECVFROM, unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SPLICE:
		other := int(args[2]) // of a splice, which tells of both
		switch {
		case f.rarely():
			f.owes(fd)
			if call == unix.SYS_SPLICE {
				f.owes(other)
			}
			return 0, unix.EAGAIN, true
		case !f.rarely():
		case call == unix.SYS_RECVFROM && args[2] > 1:
			args[2] = 1 + uintptr(f.rng.Uint64N(uint64(args[2])))
			f.owes(fd)
		case call == unix.SYS_SENDTO && args[2] > 1:
			args[2] = 1 + uintptr(f.rng.Uint64N(uint64(args[2])))
		case call == unix.SYS_SPLICE && args[4] > 1:
			args[4] = 1 + uintptr(f.rng.Uint64N(uint64(args[4])))
			f.owes(fd)
		}
	}
	return 0, 0, false
}

func (f *faults) owes(fd int) {
	if _, ok := f.events[fd]; ok {
		f.owed[fd] = true
	}
}

// control remembers how a descriptor was registered.
func (f *faults) control(ep, op, fd int, e *sys.EpollEvent) {
	if op == sys.EPOLL_CTL_ADD {
		f.events[fd] = registration{ep, *e}
		delete(f.owed, fd)
	}
}

// poll tells what is owed, then asks the kernel, and tells in another order
// what that answers.
func (f *faults) poll(ep int, events []sys.EpollEvent) (n int, errno syscall.Errno, answered bool) {
	if f.inside {
		return 0, 0, false
	}
	f.inside = true
	defer func() { f.inside = false }()
	for fd := range f.owed {
		r := f.events[fd]
		sys.EpollCtl(r.ep, sys.EPOLL_CTL_MOD, fd, &r.event) // ENOENT once it is gone
	}
	clear(f.owed)
	n, errno = sys.EpollPoll(ep, events[:len(events)/2])
	for i := range events[:n] {
		// Reading first and writing later, or the other way round.
		if e := &events[i]; e.Events&sys.EPOLLOUT != 0 && e.Events&sys.EPOLLIN != 0 && f.rng.IntN(4) == 0 {
			events[n] = *e
			events[n].Events = sys.EPOLLOUT
			e.Events &^= sys.EPOLLOUT
			n++
		}
	}
	f.rng.Shuffle(n, func(i, j int) { events[i], events[j] = events[j], events[i] })
	return n, errno, true
}
