package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// stopped is the cause of a context that a signal ended.
type stopped syscall.Signal

func (s stopped) Error() string { return "stopped by " + syscall.Signal(s).String() }

// status is what a shell says of a program that the signal ended: 130 for
// SIGINT, 143 for SIGTERM.
func (s stopped) status() statusError { return statusError(128 + int(s)) }

// stopPause is how long a job that is to stop looks for a signal to end, which may
// come together with the one to go on.
const stopPause = 20 * time.Millisecond

// untilSignal returns a context that ends at the first SIGINT, SIGTERM
// or SIGHUP (a terminal that is closed), unless that one is ignored. A
// second one calls again, which is for whoever does not want to wait for what
// the first began. stop gives the signals back.
func untilSignal(parent context.Context, again func(stopped)) (ctx context.Context, stop func()) {
	return untilSignalBut(parent, 0, again)
}

// untilSignalBut is untilSignal for what takes one of the signals for something else.
func untilSignalBut(parent context.Context, but syscall.Signal, again func(stopped)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if but != syscall.SIGHUP && !signal.Ignored(syscall.SIGHUP) { // as nohup makes it
		signal.Notify(signals, syscall.SIGHUP)
	}
	// Left to the system, a background job that reads the terminal would stop
	// again at once whenever it goes on, before it has seen a signal to end.
	stops := make(chan os.Signal, 2)
	signal.Notify(stops, sigInput, sigOutput)
	done := make(chan struct{})
	var over atomic.Bool
	go func() {
		var stop <-chan time.Time
		for {
			select {
			case s := <-signals:
				by := stopped(s.(syscall.Signal))
				if ctx.Err() != nil {
					again(by)
				}
				signal.Ignore(sigInput, sigOutput) // whoever waits for the terminal fails
				cancel(by)
			case <-stops: // the system tries the read again, and sends the next, at once
				if stop == nil {
					stop = time.After(stopPause)
				}
			case <-stop:
				stop = nil
				if ctx.Err() == nil {
					stopSelf() // as the system would
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		if over.CompareAndSwap(false, true) {
			signal.Stop(signals)
			signal.Stop(stops)
			close(done)
			cancel(nil)
		}
	}
}

// drainSilence is how long a server that ends says nothing of what it waits for.
const drainSilence = 300 * time.Millisecond

// drained is untilSignal for a server, which ends once what is open has: where that
// takes a moment, it says so, and how not to wait. Until then it is thrifty.
func (a *app) drained(parent context.Context, drain time.Duration, again func(stopped)) (ctx context.Context, stop func()) {
	return a.drainedBut(parent, 0, "at most", drain, again)
}

// drainedBut is drained for what takes one of the signals for something else, and says what
// bounds the wait.
func (a *app) drainedBut(parent context.Context, but syscall.Signal, key string, bound any, again func(stopped)) (ctx context.Context, stop func()) {
	ctx, end := untilSignalBut(parent, but, again)
	go thrift(ctx)
	over := make(chan struct{})
	context.AfterFunc(ctx, func() {
		select {
		case <-time.After(drainSilence):
			var by stopped
			if errors.As(context.Cause(ctx), &by) {
				a.log.Info("waiting for open connections to finish; a second signal ends them at once", "signal", syscall.Signal(by), key, bound)
			}
		case <-over:
		}
	})
	return ctx, sync.OnceFunc(func() { close(over); end() })
}

// interruptible is untilSignal for what is no server: a second signal ends the
// program at once.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	return untilSignal(parent, end)
}

// end ends the program at once.
func end(by stopped) {
	lastDeeds.Lock()
	for f := range lastDeeds.todo {
		(*f)()
	}
	os.Exit(int(by.status()))
}

// lastDeeds are what is to be done before a second signal ends the program.
var lastDeeds struct {
	sync.Mutex
	todo map[*func()]struct{}
}

// atExit adds one, until forget is called.
func atExit(f func()) (forget func()) {
	lastDeeds.Lock()
	defer lastDeeds.Unlock()
	if lastDeeds.todo == nil {
		lastDeeds.todo = make(map[*func()]struct{})
	}
	lastDeeds.todo[&f] = struct{}{}
	return func() {
		lastDeeds.Lock()
		defer lastDeeds.Unlock()
		delete(lastDeeds.todo, &f)
	}
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

// onSignal calls f at each signal s, until stop is called.
func onSignal(s os.Signal, f func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, s)
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
