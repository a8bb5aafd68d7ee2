package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/loop"
	"zocalo/internal/streams"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// EchoStreams is Serve with [Echoer.Echo] as the handler, for listeners of
// stream sockets of the kernel, by event loops: a connection has no goroutine
// and no buffer of its own. Bounds, lists, what is logged and how it ends are
// Serve's; Handler is not used. It needs Linux. Like Serve it closes the
// listeners in every case.
func (s *Server) EchoStreams(ctx context.Context, o EchoStreams, listeners ...*socket.Socket) error {
	e := &echoing{Server: s, options: o, listeners: listeners, log: logger(s.Log)}
	stopped := sync.OnceFunc(func() {
		for _, l := range listeners {
			l.Close()
		}
	})
	defer stopped()
	e.group = loop.Group{Service: e, MaxConns: int64(s.maxConns()), Stopped: stopped}
	loops := o.Loops
	if loops <= 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	lists := make([][]loop.Listening, loops)
	lists[0] = streams.Listenings(listeners, false)
	if err := e.group.Listen(lists...); err != nil {
		return err
	}
	e.tell.Start(func(f func()) { f() })
	defer e.tell.Stop()

	life, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	ctx, stop := context.WithCancel(ctx)
	var drain sync.WaitGroup
	drain.Go(func() { e.drain(ctx, life, cut) })
	defer drain.Wait()
	defer cut()
	defer stop()
	if err := e.group.Serve(ctx, life); err != nil {
		return fmt.Errorf("listener %v failed, and serving ended: %w", listeners[0].Name(), err)
	}
	return nil
}

// echoing is one call of EchoStreams: a loop.Service.
type echoing struct {
	*Server
	options   EchoStreams
	listeners []*socket.Socket
	log       *slog.Logger
	group     loop.Group
	tell      streams.Teller[func()]
	shortage  Shortage
}

// drain waits for the end of ctx or an abort, gives what is open its time, and
// cuts it off.
func (e *echoing) drain(ctx, life context.Context, cut func()) {
	select {
	case <-ctx.Done():
	case <-e.abortion.done():
	}
	var over <-chan time.Time
	if e.Drain >= 0 {
		timer := time.NewTimer(e.Drain)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-life.Done(): // all is over
		return
	case <-over:
	case <-e.abortion.done():
	}
	if n := e.group.Open(); n > 0 {
		e.log.Warn("connections were reset, since the server ends", "connections", n, "drain", e.Drain)
	}
	cut()
}

// Accepted implements loop.Service.
func (e *echoing) Accepted(c *loop.Conn, listener int, a *sys.Sockaddr) {
	name, who := streams.Name(a), streams.Credentials(c.FD(), a)
	if why := NameTurnedAway(e.Allow, e.Deny, name, who); why != "" {
		c.End(loop.Cancelled, loop.A, "", 0)
		e.tell.Add(func() {
			e.log.Info("a peer was turned away", "listener", e.listeners[listener].Name(), "peer", name, "reason", why)
		})
		return
	}
	p := &echoPeer{text: NameText(name, who), listener: listener}
	c.Data = p
	if tell := e.options.OnConnect; tell != nil {
		e.tell.Add(func() { tell(p.text) })
	}
	c.Echo()
}

// An echoPeer is who is at the other end of an echo.
type echoPeer struct {
	text     string
	listener int
}

// Ended implements loop.Service.
func (e *echoing) Ended(c *loop.Conn, end loop.Ending) {
	p, ok := c.Data.(*echoPeer)
	tell := e.options.OnEnd
	if !ok || tell == nil {
		return
	}
	var err error
	switch end.How {
	case loop.Cancelled:
		err = context.Canceled
	case loop.Reset, loop.Broken:
		l := e.listeners[p.listener]
		err = &net.OpError{Op: end.Call, Net: l.Kind().String(), Source: l.LocalAddr(), Addr: textAddr{l.Kind().String(), p.text},
			Err: os.NewSyscallError(end.Call, end.Errno)}
	}
	e.tell.Add(func() { tell(p.text, err) })
}

// textAddr is a net.Addr of its texts.
type textAddr struct{ network, text string }

func (a textAddr) Network() string { return a.network }
func (a textAddr) String() string  { return a.text }

// ConnectFailed implements loop.Service; an echo never connects.
func (e *echoing) ConnectFailed(*loop.Conn, string, syscall.Errno) {}

// Paused implements loop.Service.
func (e *echoing) Paused(listener int, errno syscall.Errno) {
	e.tell.Add(func() {
		e.shortage.Tell(e.log, e.listeners[listener].Name(), os.NewSyscallError("accept", errno))
	})
}
