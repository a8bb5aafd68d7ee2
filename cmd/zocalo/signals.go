package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
)

// stopped is the cause of a context that a signal ended.
type stopped syscall.Signal

func (s stopped) Error() string { return "stopped by " + syscall.Signal(s).String() }

// status is what a shell says of a program that the signal ended: 130 for
// SIGINT, 143 for SIGTERM.
func (s stopped) status() statusError { return statusError(128 + int(s)) }

// untilSignal returns a context that ends at the first SIGINT, SIGTERM
// or SIGHUP (a terminal that is closed), unless that one is ignored. A
// second one calls again, which is for whoever does not want to wait for what
// the first began. stop gives the signals back.
func untilSignal(parent context.Context, again func(stopped)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup makes it
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	var over atomic.Bool
	go func() {
		for n := 0; ; n++ {
			select {
			case s := <-signals:
				by := stopped(s.(syscall.Signal))
				cancel(by)
				if n > 0 {
					again(by)
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		if over.CompareAndSwap(false, true) {
			signal.Stop(signals)
			close(done)
			cancel(nil)
		}
	}
}

// interruptible is untilSignal for what is no server: a second signal ends the
// program at once.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	return untilSignal(parent, func(by stopped) { os.Exit(int(by.status())) })
}

// interruption is how a run ends whose context a signal ended.
func interruption(ctx context.Context) error {
	var by stopped
	if errors.As(context.Cause(ctx), &by) {
		return by.status()
	}
	return statusError(statusInterrupted)
}

// canceled reports whether an error only says that ctx ended.
func canceled(ctx context.Context, err error) bool {
	return ctx.Err() != nil &&
		(err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

// onSIGUSR1 calls f at each SIGUSR1, until stop is called.
func onSIGUSR1(f func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	done := make(chan struct{})
	var over sync.WaitGroup
	over.Go(func() {
		for {
			select {
			case <-signals:
				f()
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(done)
		over.Wait()
	}
}
