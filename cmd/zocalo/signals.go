package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
)

// untilSignal returns a context that ends at the first SIGINT, SIGTERM
// or SIGHUP (a terminal that is closed), unless that one is ignored. A
// second one calls again, which is for whoever does not want to wait for what
// the first began. stop gives the signals back.
func untilSignal(parent context.Context, again func()) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup makes it
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	var stopped atomic.Bool
	go func() {
		for n := 0; ; n++ {
			select {
			case <-signals:
				cancel()
				if n > 0 {
					again()
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		if stopped.CompareAndSwap(false, true) {
			signal.Stop(signals)
			close(done)
			cancel()
		}
	}
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
