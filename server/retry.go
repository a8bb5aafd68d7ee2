package server

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"
)

// The pauses of a retry: each is twice the one before.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// maxPassing is how many errors in a row, each said to pass by itself, are
// believed before a retry pauses for them as well.
const maxPassing = 100

// A retry decides how to go on after errors of a call that a loop makes over
// and over, so that no error makes it spin.
type retry struct {
	passed int           // errors in a row that pass by themselves
	pause  time.Duration // the last
}

// after reports whether to try again after err, and waits first where time
// must pass. The end of ctx ends the wait. Where the system is short of
// something, it calls short with err.
func (r *retry) after(ctx context.Context, err error, short func(error)) bool {
	switch {
	case isOneOf(err, shortages):
		short(err)
	case isOneOf(err, passing):
		if r.passed++; r.passed <= maxPassing {
			return true
		}
	default:
		return false
	}
	r.pause = min(max(2*r.pause, firstPause), lastPause)
	t := time.NewTimer(r.pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return true
}

// reset says that the call succeeded.
func (r *retry) reset() { *r = retry{} }

// shortages are errors that last until somebody gives something back.
var shortages = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// passing are errors that concern one connection or one peer, and not the
// socket on which they are reported: those of accept(2), "Error handling", and
// EPERM, which is a firewall's. EOPNOTSUPP, which accept(2) lists with them,
// also says that the socket cannot accept at all, and is none.
var passing = slices.Concat(systemPassing, []syscall.Errno{
	syscall.EAGAIN, syscall.EINTR, syscall.ECONNABORTED, syscall.EPROTO, syscall.EPERM,
	syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ETIMEDOUT,
})

func isOneOf(err error, list []syscall.Errno) bool {
	return slices.ContainsFunc(list, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

// startPoller makes the runtime start its poller, by a timer, which needs it.
// It would otherwise do so when something first waits, and end the program if
// there are no descriptors left by then.
func startPoller() { time.AfterFunc(time.Hour, func() {}).Stop() }
