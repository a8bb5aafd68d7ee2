package server

import (
	"context"
	"time"

	"zocalo/internal/accept"
	"zocalo/socket"
)

// accept takes the connections of one listener until ctx ends, or the
// listener fails for good.
func (r *serving) accept(ctx context.Context, l Listener) error {
	var again accept.Retry
	for {
		round := r.conns.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c, err := l.Accept(round)
		switch {
		case err == nil:
			again.Reset()
			r.admit(ctx, l, c)
		case ctx.Err() != nil || round.Err() != nil:
			// The server ends, or is full. Of the two contexts, the outer one
			// ends a moment before the inner.
		case !again.After(ctx, err, r.shortageOf(l)):
			return err
		}
	}
}

// admit starts the handler of a new connection, unless its peer is turned
// away. It waits where other listeners have filled the server meanwhile.
func (r *serving) admit(ctx context.Context, l Listener, c *socket.Socket) {
	why := Lists{r.Allow, r.Deny}.Refuses(c)
	var peer *accept.Peer
	if why == "" {
		var ok bool
		if peer, ok = r.perPeer.Enter(c); !ok {
			why = accept.TooMany
		}
	}
	if why != "" {
		if g, ok := l.(refuser); ok {
			g.Refused(c)
		}
		r.turnAway(ctx, l, c, why)
		return
	}
	if !r.conns.add(ctx, c) {
		r.perPeer.Leave(peer)
		c.Abort()
		return
	}
	r.serve(c, peer)
}

func (r *serving) turnAway(ctx context.Context, l Listener, c *socket.Socket, why string) {
	r.refuse(ctx, c)
	r.log.Info("peer rejected", "listener", l.Name(), "peer", c.Peer(), "reason", why)
}

// screen has a listener with layers ask the lists before a handshake, as far as they
// can tell by then.
func (r *serving) screen(ctx context.Context, l Listener) {
	for _, s := range SocketsOf(l) {
		a, ok := socket.As[socket.Admitter](s)
		if !ok {
			continue
		}
		allow := r.Allow
		if s.Kind().Renames() || allow != nil && len(allow.certs) > 0 {
			allow = nil // it applies to whom the peer is said to be, or proves to be
		}
		a.Admit(func(c *socket.Socket) bool {
			why := Lists{allow, r.Deny}.Refuses(c)
			if why != "" {
				r.turnAway(ctx, l, c, why)
			}
			return why == ""
		})
	}
}

// shortageOf returns what says that a listener pauses.
func (r *serving) shortageOf(l Listener) func(error) {
	return func(err error) {
		r.shortage.Tell(r.log, l.Name(), err)
	}
}

// A refuser is a listener that is told which of its connections are refused, a moment
// before they are closed.
type refuser interface{ Refused(c *socket.Socket) }

// refuse is accept.Refuse beside the accept loop.
func (r *serving) refuse(ctx context.Context, c *socket.Socket) {
	now := time.Now()
	r.handlers.Go(func() { accept.Refuse(ctx, c, now) })
}
