package server

import (
	"context"
	"log/slog"
	"time"

	"zocalo/internal/pass"
	"zocalo/socket"
)

// accept takes the connections of one listener until ctx ends, or the
// listener fails for good.
func (r *serving) accept(ctx context.Context, l Listener) error {
	var again Retry
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
	why := TurnedAway(r.Allow, r.Deny, c)
	var peer *Peer
	if why == "" {
		var ok bool
		if peer, ok = r.perPeer.Enter(c); !ok {
			why = TooMany
		}
	}
	if why != "" {
		if g, ok := l.(Refuser); ok {
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
			why := TurnedAway(allow, r.Deny, c)
			if why != "" {
				r.turnAway(ctx, l, c, why)
			}
			return why == ""
		})
	}
}

// TurnedAway says why the peer of a connected socket is to be turned away, ""
// if it is not; either list may be nil. See [Server].
func TurnedAway(allow, deny *List, c *socket.Socket) (why string) {
	return refusal(allow, deny, func(l *List) bool { return l.ContainsPeer(c) })
}

// NameTurnedAway is TurnedAway of a peer of which only that is known: its name,
// and over a unix socket the process that it is.
func NameTurnedAway(allow, deny *List, n socket.Name, who *socket.Credentials) (why string) {
	return refusal(allow, deny, func(l *List) bool { return l.Contains(n) || who != nil && l.containsProcess(*who) })
}

// SenderTurnedAway is TurnedAway of whoever sent a message.
func SenderTurnedAway(allow, deny *List, m *socket.Message) (why string) {
	return refusal(allow, deny, func(l *List) bool { return l.ContainsSender(m) })
}

// refusal says why a peer is turned away, "" if it is not. has reports whether
// it is in a list.
func refusal(allow, deny *List, has func(*List) bool) string {
	switch {
	case deny != nil && has(deny):
		return "it is denied"
	case allow != nil && !has(allow):
		return "it is not among the allowed"
	}
	return ""
}

// shortageOf returns what says that a listener pauses.
func (r *serving) shortageOf(l Listener) func(error) {
	return func(err error) {
		r.shortage.Tell(r.log, l.Name(), err)
	}
}

// A Shortage tells of descriptors or memory that are out, once while that
// lasts.
type Shortage struct{ trouble pass.Trouble }

// Tell logs that a listener pauses for err.
func (s *Shortage) Tell(log *slog.Logger, listener socket.Name, err error) {
	if s.trouble.Begins("", time.Now()) {
		log.Warn("accepting pauses until descriptors and memory are free again: raise the limit (ulimit -n), or allow fewer connections",
			"listener", listener, "error", err)
	}
}
