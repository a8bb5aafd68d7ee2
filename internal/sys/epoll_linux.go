package sys

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An EpollEvent is epoll_event: Fd and Pad are the caller's own.
type EpollEvent = unix.EpollEvent

// Events of epoll(7), and how they are told.
const (
	EPOLLIN    = unix.EPOLLIN
	EPOLLOUT   = unix.EPOLLOUT
	EPOLLPRI   = unix.EPOLLPRI
	EPOLLERR   = unix.EPOLLERR
	EPOLLHUP   = unix.EPOLLHUP
	EPOLLRDHUP = unix.EPOLLRDHUP
	EPOLLET    = unix.EPOLLET

	EPOLLEXCLUSIVE = unix.EPOLLEXCLUSIVE
)

// Operations of EpollCtl.
const (
	EPOLL_CTL_ADD = unix.EPOLL_CTL_ADD
	EPOLL_CTL_MOD = unix.EPOLL_CTL_MOD
	EPOLL_CTL_DEL = unix.EPOLL_CTL_DEL
)

// EpollCreate is epoll_create1(2) with EPOLL_CLOEXEC.
func EpollCreate() (int, syscall.Errno) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return fd, errnoOf(err)
}

// An EpollHook stands before EpollCtl and EpollPoll, in tests. Poll may answer
// in the kernel's stead, as with the events in another order.
type EpollHook struct {
	Ctl  func(ep, op, fd int, e *EpollEvent)
	Poll func(ep int, events []EpollEvent) (n int, errno syscall.Errno, answered bool)
}

var epollHook atomic.Pointer[EpollHook]

// SetEpollHook makes hook stand before those calls of the whole process; nil
// removes it.
func SetEpollHook(hook *EpollHook) { epollHook.Store(hook) }

// EpollCtl is epoll_ctl(2), raw.
func EpollCtl(ep, op, fd int, e *EpollEvent) syscall.Errno {
	if hook := epollHook.Load(); hook != nil {
		hook.Ctl(ep, op, fd, e)
	}
	_, errno := raw(unix.SYS_EPOLL_CTL, uintptr(ep), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(e)), 0, 0)
	return errno
}

// EpollPoll is epoll_wait(2) that does not wait, raw.
func EpollPoll(ep int, events []EpollEvent) (int, syscall.Errno) {
	if hook := epollHook.Load(); hook != nil {
		if n, errno, answered := hook.Poll(ep, events); answered {
			return n, errno
		}
	}
	return raw(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
}

// EpollWait is epoll_wait(2) for so many milliseconds, -1 for ever. It is not
// restarted after EINTR, since time has passed.
func EpollWait(ep int, events []EpollEvent, ms int) (int, syscall.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(ms), 0, 0)
	return count(n, errno)
}

// Eventfd is eventfd(2), nonblocking and close-on-exec.
func Eventfd() (int, syscall.Errno) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	return fd, errnoOf(err)
}
