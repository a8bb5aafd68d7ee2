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

// Hangup says what the peer of a connection has ended, and takes nothing: over
// where it is both directions, or the connection was reset; ended where it sends
// no more; and the bytes that are still to be read.
func Hangup(fd int) (over, ended bool, unread int) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	restarted(func() error { _, err := unix.Poll(p, 0); return err })
	unread, _ = Pending(fd)
	return p[0].Revents&unix.POLLHUP != 0, p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP) != 0, unread
}
