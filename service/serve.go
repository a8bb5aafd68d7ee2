package service

import (
	"context"
	"sync/atomic"

	"zocalo"
	"zocalo/internal/accept"
	"zocalo/relay"
	"zocalo/serve"
	"zocalo/server"
	"zocalo/service/verb"
	"zocalo/socket"
	"zocalo/socket/option"
)

// serveJob is a program for each connection.
type serveJob struct {
	*book
	told     *verb.Serve
	server   server.Server
	sessions server.Sessions
	handling context.Context // of programs that accept themselves
	cut      context.CancelFunc
}

func (u *unit) newServe(t *verb.Serve, offset int64) *serveJob {
	t.Program.Log = u.log
	j := &serveJob{book: newBook(offset, t.Program.Command.Args[0], u.ended()), told: t}
	j.handling, j.cut = context.WithCancel(context.Background())
	handler := func(ctx context.Context, c *socket.Socket) {
		p := j.begin(c, countedByTCP(c))
		how, err := relay.Finished, t.Program.Serve(ctx, c)
		switch {
		case ctx.Err() != nil:
			how, err = relay.Cancelled, nil
		case err != nil:
			how = relay.Failed
			u.log.Error("cannot run the program for a connection", "peer", accept.PeerText(c), "error", err)
		}
		j.end(p, how, err)
	}
	s := t.Serving
	j.server = server.Server{Handler: handler, MaxConns: t.Places(), MaxConnsPerPeer: s.MaxPerPeer, Drain: -1, Allow: s.Allow, Deny: s.Deny, Log: u.log}
	j.sessions = server.Sessions{Handler: handler, Idle: t.Idle, Max: t.Places(), MaxPerPeer: s.MaxPerPeer, Drain: -1, Allow: s.Allow, Deny: s.Deny, Log: u.log}
	return j
}

func (j *serveJob) run(ctx context.Context, listeners []*zocalo.Listener) error {
	defer j.cut()
	l, p := listeners[0], &j.told.Program
	switch {
	case j.told.Wait:
		return p.ServeListener(ctx, j.handling, serve.Wait, l.Sockets()...)
	case j.told.Activate:
		return p.ServeListener(ctx, j.handling, serve.Activate, l.Sockets()...)
	case l.Sockets()[0].Type() == socket.Datagram:
		return j.sessions.Serve(ctx, l.Sockets()...)
	}
	return j.server.Serve(ctx, p.Accepting(l))
}

func (j *serveJob) abort() {
	j.server.Abort()
	j.sessions.Abort()
	j.cut()
}

func (j *serveJob) change(*told) error { return errReplaced }

// countedByTCP asks the kernel what has passed over a connection that a program holds, for
// as long as it is open; what it told last is remembered.
func countedByTCP(c *socket.Socket) func() (from, to int64) {
	var from, to atomic.Int64
	return func() (int64, int64) {
		if info, err := option.ConnectionInfo.Get(c); err == nil {
			from.Store(int64(info.BytesReceived))
			to.Store(int64(info.BytesAcknowledged))
		}
		return from.Load(), to.Load()
	}
}
