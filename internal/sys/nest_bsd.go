//go:build darwin || freebsd || netbsd || openbsd

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Events that Nest waits for.
const (
	Readable uint32 = unix.POLLIN
	Writable uint32 = unix.POLLOUT
	Urgent   uint32 = unix.POLLPRI
)

// Nest makes a kqueue that watches fd alone, and that is readable itself
// while one of events holds for fd. There is none for urgent data.
func Nest(fd int, events uint32) (int, syscall.Errno) {
	filter := unix.EVFILT_READ
	switch events {
	case Writable:
		filter = unix.EVFILT_WRITE
	case Urgent:
		return -1, syscall.EOPNOTSUPP
	}
	kq, err := unix.Kqueue()
	if err != nil {
		return -1, errnoOf(err)
	}
	unix.CloseOnExec(kq)
	var change unix.Kevent_t
	unix.SetKevent(&change, fd, filter, unix.EV_ADD)
	if _, err = unix.Kevent(kq, []unix.Kevent_t{change}, nil, nil); err == nil {
		err = unix.SetNonblock(kq, true)
	}
	if err != nil {
		Close(kq)
		return -1, errnoOf(err)
	}
	return kq, 0
}
