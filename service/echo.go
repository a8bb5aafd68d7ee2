package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/echo"
	"zocalo/internal/accept"
	"zocalo/relay"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/server"
	"zocalo/service/verb"
	"zocalo/socket"
)

// checkEcho refuses sockets that cannot be echoed as is asked for.
func checkEcho(t *verb.Echo, i int, sockets []*socket.Socket) error {
	switch sockets[0].Type() {
	case socket.Stream, socket.SeqPacket, socket.Datagram:
		_, err := t.Fast(t.Addresses[i], sockets)
		return err
	}
	return fmt.Errorf("%v: echo would answer its own answers, since a raw socket receives what it sends", t.Addresses[i])
}

// echoJob is an echo server on some addresses.
type echoJob struct {
	*book
	unit    *unit
	told    *verb.Echo
	servers []*server.Server
	echoer  []*echo.Echoer // of datagrams

	mu   sync.Mutex
	fast []func() []echo.Connected // those that are open on event loops
}

func (u *unit) newEcho(t *verb.Echo, offset int64) *echoJob {
	j := &echoJob{book: newBook(offset, "echo", u.ended()), unit: u, told: t}
	for _, s := range t.Each {
		j.servers = append(j.servers, &server.Server{
			Handler: func(context.Context, *socket.Socket) {}, MaxConns: s.MaxConns, MaxConnsPerPeer: s.MaxPerPeer, Drain: -1, Allow: s.Allow, Deny: s.Deny, Log: u.log,
		})
		j.echoer = append(j.echoer, &echo.Echoer{Log: u.log, Allow: s.Allow, Deny: s.Deny})
	}
	return j
}

func (j *echoJob) run(ctx context.Context, listeners []*zocalo.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(listeners))
	var serving sync.WaitGroup
	for i, l := range listeners {
		serving.Go(func() {
			defer stop()
			defer l.Close()
			errs[i] = j.serve(ctx, i, l)
		})
	}
	serving.Wait()
	return errors.Join(errs...)
}

func (j *echoJob) serve(ctx context.Context, i int, l *zocalo.Listener) error {
	if l.Sockets()[0].Type() == socket.Datagram {
		errs := make([]error, len(l.Sockets()))
		var all sync.WaitGroup
		for k, s := range l.Sockets() {
			all.Go(func() { errs[k] = j.echoer[i].Datagrams(ctx, s) })
		}
		all.Wait()
		return errors.Join(errs...)
	}
	srv := j.servers[i]
	if fast, _ := j.told.Fast(j.told.Addresses[i], l.Sockets()); fast {
		return echo.Streams(ctx, srv, echo.StreamOptions{OnServing: j.serves, OnOver: j.over}, l.Sockets()...)
	}
	format, _ := address.Frame.In(j.told.Addresses[i].Settings)
	srv.Handler = func(ctx context.Context, c *socket.Socket) {
		e := echo.Echoer{Format: format, Log: j.unit.log, Progress: new(join.Progress)}
		p := j.begin(c, func() (int64, int64) {
			n, _ := e.Progress.From(outcome.A)
			return n, n
		})
		how, err := relay.Finished, e.Connection(ctx, c)
		switch {
		case ctx.Err() != nil:
			how, err = relay.Cancelled, nil
		case err != nil:
			how = relay.Failed
			j.unit.log.Warn("echo ended", "peer", accept.PeerText(c), "error", err)
		}
		j.end(p, how, err)
	}
	return srv.Serve(ctx, l)
}

func (j *echoJob) serves(open func() []echo.Connected) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fast = append(j.fast, open)
}

// over is told of a connection of the event loops that has ended.
func (j *echoJob) over(c echo.Connected, how relay.EndReason, err error) {
	p := relay.Pair{Peer: c.Peer, Target: "echo", Began: c.Began}
	p.Result.How, p.Result.Duration = how, time.Since(c.Began)
	p.Result.From[relay.A].Bytes, p.Result.From[relay.B].Bytes = c.Bytes, c.Bytes
	if how == relay.Failed || how == relay.Reset {
		p.Err = err
		j.unit.log.Warn("echo ended", "peer", c.Peer, "error", err)
	}
	j.count(p)
}

func (j *echoJob) abort() {
	for _, s := range j.servers {
		s.Abort()
	}
}

func (j *echoJob) change(*told) error { return errReplaced }

// connected are the connections on event loops, as pairs.
func (j *echoJob) connected() (all []relay.Pair) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, open := range j.fast {
		for _, c := range open() {
			p := relay.Pair{Began: c.Began, Peer: c.Peer, Target: "echo", Open: true}
			p.Result.From[relay.A].Bytes, p.Result.From[relay.B].Bytes = c.Bytes, c.Bytes
			all = append(all, p)
		}
	}
	return all
}

func (j *echoJob) pairs() []relay.Pair { return append(j.book.pairs(), j.connected()...) }

func (j *echoJob) totals() relay.Totals {
	t := j.book.totals()
	for _, p := range j.connected() {
		t.Open++
		for side := range p.Result.From {
			t.From[side].Bytes += p.Result.From[side].Bytes
		}
	}
	for _, e := range j.echoer {
		c := e.Counts()
		for side := range t.From {
			t.From[side].Bytes += c.Bytes
			t.From[side].Messages += c.Messages
		}
		t.Refused += c.Refused
		t.Dropped += c.Unanswered
	}
	return t
}
