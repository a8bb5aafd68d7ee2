// Package relay joins what comes to one address with another: it accepts at
// FROM, reaches TO, and passes on what each sends, for any two addresses.
//
//	from, _ := address.Parse("unix-listen:/run/web.sock")
//	to, _ := address.Parse("tcp:localhost:80")
//	r := &relay.Relay{Config: relay.Config{From: from, To: []address.Address{to}}}
//	err := r.Run(ctx)
//
// Which sides listen decides what [Relay.Run] does. Where FROM does, any number
// of its peers are served at once, each joined with a TO of its own: a fresh
// connection, or the next peer of TO where that listens too. Where FROM does
// not, there is one pair, and Run ends with it. The option once makes a listener
// take one peer.
//
// What passes between the two ends of a pair, and how it ends, are the rules of
// package join. This package has what is around a pair: limits, the choice
// among several TO, trying again, the end in good order, and the account of it
// all: a [Pair] for each, told as it ends ([Hooks.Ended]) or asked for while it
// is open ([Relay.Open]), and [Totals]. [Hooks] see and decide what becomes of each
// pair. [Relay.SetTo] and [Relay.SetLimits] change a relay that runs.
//
// # Engines
//
// Under one contract, three engines move what passes, and [Relay.Engine] says which
// one does. The engine join is package join's Join, for any two ends; there the peers
// of a datagram socket are sessions of package server, each a socket to join like any
// other. The engine streams moves the bytes of two kernel streams by event loops, and
// datagrams the datagrams of the kernel's in batches. Each says what it can do
// (engine.go); all give their pairs to the one account (account.go), and keep the
// same limits.
package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/internal/pass"
	"zocalo/process"
	"zocalo/relay/datagrams"
	"zocalo/server"
	"zocalo/socket"
)

// A Relay joins what comes to one side with the other. The Config must not change
// once Run was called, and a Relay runs once.
type Relay struct {
	Config

	account account
	abort   pass.Abort
	changes sync.Mutex // of what holds, and of running
	running atomic.Pointer[run]
}

// Abort ends Run without the time to drain: what is open is reset. It does not
// wait for Run to return.
func (b *Relay) Abort() { b.abort.Now() }

// Check says why the addresses can never be joined, or not by the Path that is asked for,
// as far as they tell by themselves; Run does so too.
func (b *Relay) Check() error {
	s, err := prepare(b.Config)
	if err != nil {
		return err
	}
	r := &run{Config: &b.Config, from: s.from}
	r.holds.Store(s)
	_, err = r.choose()
	return err
}

// Run listens and reaches as the addresses say, and returns when all is over.
// With a listener that takes any number of peers that is when ctx ends, and the
// error is nil unless the listener failed. With one pair it is when that ends,
// and the error says why if it did not end in order. What the addresses can
// never do together is refused at once.
//
// When ctx ends nothing new begins, and what is open may go on for Drain.
func (b *Relay) Run(ctx context.Context) error {
	if b.Listener != nil {
		defer b.Listener.Close()
	}
	r, err := b.begin()
	if err != nil {
		return err
	}
	var cut context.CancelCauseFunc
	r.life, cut = context.WithCancelCause(context.WithoutCancel(ctx))
	ctx, r.end = context.WithCancel(ctx)
	defer r.end()
	go func() {
		select {
		case <-b.abort.Done():
			r.end()
		case <-r.life.Done():
		}
	}()
	defer onEnd(ctx, func() { r.drain(cut) })()
	defer cut(nil)
	ctx, r.stop = context.WithCancel(ctx)
	defer r.stop()
	defer r.rest.Close()

	switch {
	case r.from.passive:
		return r.serve(ctx)
	case r.now().to[0].passive:
		return r.second(ctx)
	}
	return r.single(ctx)
}

// ErrStopped is why a pair was reset that was still open when the time to
// drain was over.
var ErrStopped = errors.New("the relay was stopped, and the time to finish was over")

// A run is one call of Run.
type run struct {
	*Config // what does not change; of To and Limits, what held at first
	relay   *Relay
	account *account
	log     *slog.Logger
	from    end
	holds   atomic.Pointer[settings]
	chosen  choice
	engine  atomic.Pointer[engine]
	sockets []*socket.Socket // that peers come to, for the engine

	total *bucket // of TotalRate
	rest  datagrams.Resting
	gate  process.Gate // of clients whose TO is a program
	loops *loops       // of the engine join, nil without

	partners atomic.Pointer[server.Sessions] // that come to TO, where it takes datagrams

	toldConns, toldSessions atomic.Int64 // bounds that the log has been told of

	life context.Context // of the pairs: ends when the time to drain is over
	end  func()          // as the end of Run's context: what is open has the time to drain
	stop func()          // begins nothing new any more
}

// begin makes the run.
func (b *Relay) begin() (*run, error) {
	b.changes.Lock()
	defer b.changes.Unlock()
	s, err := prepare(b.Config)
	if err != nil {
		return nil, err
	}
	r := &run{Config: &b.Config, relay: b, account: &b.account, log: b.Log, from: s.from, total: newBucket()}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.holds.Store(s)
	if r.chosen, err = r.choose(); err != nil {
		return nil, err
	}
	b.running.Store(r)
	return r, nil
}

// onEnd calls f when ctx ends. The func that it returns calls that off, or waits
// for f where it has begun.
func onEnd(ctx context.Context, f func()) (off func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// drain gives what is open its time, then cuts it off.
func (r *run) drain(cut context.CancelCauseFunc) {
	limit := r.now().Drain
	if pass.Drain(limit, r.life.Done(), &r.relay.abort) {
		return
	}
	n := r.relay.Totals().Open
	if cut(ErrStopped); n == 0 {
		return
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		r.log.Warn("connections were reset, since the relay ends", "connections", n, "drain", limit.Round(time.Millisecond))
	}()
	select {
	case <-said:
	case <-time.After(time.Second): // a log that nobody reads does not keep the relay
	}
}
