package echo

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/accept"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
	"zocalo/relay/streams"
	"zocalo/server"
	"zocalo/socket"
)

// Streams is [server.Server.Serve] with [Connection] as the handler, for listeners
// of stream sockets of the kernel, by event loops: a connection has no goroutine
// and no buffer of its own. Bounds, lists, what is logged and how it ends are
// Serve's; Handler is not used. It needs Linux. Like Serve it closes the
// listeners in every case.
func Streams(ctx context.Context, s *server.Server, o StreamOptions, listeners ...*socket.Socket) error {
	e := &echoes{Server: s, options: o, listeners: listeners, log: s.Log}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	stopped := sync.OnceFunc(func() {
		for _, l := range listeners {
			l.Close()
		}
	})
	defer stopped()
	if err := (server.Lists{Allow: s.Allow, Deny: s.Deny}).Apply(listeners...); err != nil {
		return err
	}
	life, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group := &streams.Group{Service: e, Limits: streams.Limits{MaxConns: int64(s.Places())}, Stopped: func() {
		stopped()
		stop() // where a listener failed
	}}
	lists := make([][]streams.Listening, streams.Loops(o.Loops))
	lists[0] = streams.Listenings(listeners)
	e.perPeer = accept.NewPerPeer(s.MaxConnsPerPeer, s.Places(), listeners...)
	if err := group.Listen(lists...); err != nil {
		return err
	}
	e.tell.Start(func(f func()) { f() })
	defer e.tell.Stop()
	if o.OnServing != nil {
		o.OnServing(func() []Connected { return e.open(group) })
	}

	var drain sync.WaitGroup
	drain.Go(func() {
		select {
		case <-ctx.Done():
		case <-s.Aborted():
		}
		s.LetFinish(life.Done(), func() int {
			defer cut()
			return group.Open()
		})
	})
	defer drain.Wait()
	defer cut()
	defer stop()
	if err := group.Serve(ctx, life); err != nil {
		return fmt.Errorf("listener %v failed, and serving ended: %w", listeners[0].Name(), err)
	}
	return nil
}

// echoes is one call of Streams: a streams.Service.
type echoes struct {
	*server.Server
	options   StreamOptions
	listeners []*socket.Socket
	log       *slog.Logger
	tell      streams.Teller[func()]
	perPeer   *accept.PerPeer
	shortage  accept.Shortage
}

// Accepted implements streams.Service.
func (e *echoes) Accepted(c *streams.Conn, listener int, a *sys.Sockaddr) {
	name, who := streams.Name(a), streams.Credentials(c.FD(), a)
	why := server.Lists{Allow: e.Allow, Deny: e.Deny}.RefusesName(name, who)
	var peer *accept.Peer
	if why == "" {
		var ok bool
		if peer, ok = e.perPeer.EnterName(name.AddrPort().Addr(), who); !ok {
			why = accept.TooMany
		}
	}
	if why != "" {
		c.End(outcome.Cancelled, outcome.A, "", 0)
		e.tell.Add(func() {
			e.log.Info("peer rejected", "listener", e.listeners[listener].Name(), "peer", name, "reason", why)
		})
		return
	}
	p := &echoPeer{text: accept.NameText(name, who), listener: listener, peer: peer}
	c.Data = p
	if tell := e.options.OnConnect; tell != nil {
		e.tell.Add(func() { tell(p.text) })
	}
	c.Echo()
}

// open are the connections that are open.
func (e *echoes) open(group *streams.Group) (open []Connected) {
	var mu sync.Mutex
	e.tell.Boundless(func() {
		group.Each(func(c *streams.Conn) {
			p, ok := c.Data.(*echoPeer)
			if !ok {
				return
			}
			r := c.Result()
			mu.Lock()
			defer mu.Unlock()
			open = append(open, Connected{e.listeners[p.listener].Name(), p.text, time.Now().Add(-r.Duration), r.From[outcome.A].Bytes})
		})
	})
	return open
}

// An echoPeer is who is at the other end of an echo.
type echoPeer struct {
	text     string
	listener int
	peer     *accept.Peer // nil where a single peer is not bounded
}

// Ended implements streams.Service.
func (e *echoes) Ended(c *streams.Conn, end streams.Ending) {
	p, ok := c.Data.(*echoPeer)
	if !ok {
		return
	}
	e.perPeer.Leave(p.peer)
	tell, over := e.options.OnEnd, e.options.OnOver
	if tell == nil && over == nil {
		return
	}
	var err error
	switch end.How {
	case outcome.Cancelled:
		err = context.Canceled
	case outcome.Reset, outcome.Failed:
		l := e.listeners[p.listener]
		failed := end.OpError(l.Kind().String(), p.text)
		failed.Source, err = l.LocalAddr(), failed
	}
	was := Connected{e.listeners[p.listener].Name(), p.text, time.Now().Add(-end.Result.Duration), end.Result.From[outcome.A].Bytes}
	e.tell.Add(func() {
		if tell != nil {
			tell(p.text, err)
		}
		if over != nil {
			over(was, end.How, err)
		}
	})
}

// ConnectFailed implements streams.Service; an echo never connects.
func (e *echoes) ConnectFailed(*streams.Conn, string, syscall.Errno) {}

// Paused implements streams.Service.
func (e *echoes) Paused(listener int, errno syscall.Errno) {
	e.tell.Add(func() {
		e.shortage.Tell(e.log, e.listeners[listener].Name(), os.NewSyscallError("accept", errno))
	})
}
