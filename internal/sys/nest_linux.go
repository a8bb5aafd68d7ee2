package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Events that Nest waits for.
const (
	Readable uint32 = unix.EPOLLIN | unix.EPOLLRDHUP
	Writable uint32 = unix.EPOLLOUT
	Urgent   uint32 = unix.EPOLLPRI | unix.EPOLLRDHUP
)

// Nest makes an epoll instance that watches fd alone, and that is readable
// itself while one of events holds for fd. The instance is nonblocking, so
// that the runtime's poller takes it.
func Nest(fd int, events uint32) (int, syscall.Errno) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return -1, errnoOf(err)
	}
	err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	if err == nil {
		err = unix.SetNonblock(ep, true)
	}
	if err != nil {
		Close(ep)
		return -1, errnoOf(err)
	}
	return ep, 0
}

// Ready reports whether one of events holds for fd now: poll(2).
func Ready(fd int, events uint32) bool {
	// The bits of poll and epoll are the same.
	p := []unix.PollFd{{Fd: int32(fd), Events: int16(events)}}
	for {
		n, err := unix.Poll(p, 0)
		if err != unix.EINTR {
			return err != nil || n > 0
		}
	}
}
