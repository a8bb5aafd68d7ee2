package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"zocalo/socket"
)

// accept takes the connections of one listener until ctx ends, or the
// listener fails for good.
func (r *serving) accept(ctx context.Context, l Listener) error {
	var again retry
	for {
		round := r.conns.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c, err := l.Accept(round)
		switch {
		case err == nil:
			again.reset()
			r.admit(ctx, l, c)
		case ctx.Err() != nil || round.Err() != nil:
			// The server ends, or is full. Of the two contexts, the outer one
			// ends a moment before the inner.
		case !again.after(ctx, err, r.shortageOf(l)):
			return err
		}
	}
}

// admit starts the handler of a new connection, unless its peer is turned
// away. It waits where other listeners have filled the server meanwhile.
func (r *serving) admit(ctx context.Context, l Listener, c *socket.Socket) {
	if why := TurnedAway(r.Allow, r.Deny, c); why != "" {
		c.Abort()
		r.log.Info("a peer was turned away", "listener", l.Name(), "peer", c.Peer(), "reason", why)
		return
	}
	if !r.conns.add(ctx, c) {
		c.Abort()
		return
	}
	r.serve(c)
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
type Shortage struct{ episode episode }

// Tell logs that a listener pauses for err.
func (s *Shortage) Tell(log *slog.Logger, listener socket.Name, err error) {
	if s.episode.begins() {
		log.Warn("accepting pauses until descriptors and memory are free again: raise the limit (ulimit -n), or allow fewer connections",
			"listener", listener, "error", err)
	}
}

// An episode is a time of trouble that is spoken of once. It is over when
// there was no trouble for a minute, so that trouble which comes and goes with
// every connection fills no log.
type episode struct {
	mu   sync.Mutex
	last time.Time
}

const episodeEnd = time.Minute

// begins notes trouble, and reports whether it is the first of an episode.
func (e *episode) begins() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	first := e.last.IsZero() || now.Sub(e.last) > episodeEnd
	e.last = now
	return first
}
