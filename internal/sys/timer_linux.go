package sys

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// NewTimer returns a nonblocking descriptor that becomes readable when its
// time comes: timerfd_create(2). It is finer than the runtime's timers, which
// the poller waits for in whole milliseconds.
func NewTimer() (fd int, errno syscall.Errno) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	return fd, errnoOf(err)
}

// SetTimer makes the descriptor readable once d has passed: timerfd_settime(2).
// 0 or less is at once.
func SetTimer(fd int, d time.Duration) syscall.Errno {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))}
	return errnoOf(unix.TimerfdSettime(fd, 0, &spec, nil))
}
