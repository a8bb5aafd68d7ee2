package bridge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"zocalo"
	"zocalo/relay"
	"zocalo/relay/datagrams"
	"zocalo/socket"
)

// batching is the fast way of datagrams: package datagrams, which keeps the list
// of its sessions.
type batching struct {
	r     *run
	relay *datagrams.Relay
}

// isBatch reports whether both kinds are those of package datagrams.
func isBatch(from, to socket.Kind) bool {
	near := isKernel(from) && from.Type == socket.Datagram
	return near && isKernel(to) && (to.Type == socket.Datagram || to.Domain == socket.Unix && to.Type == socket.SeqPacket)
}

func isKernel(k socket.Kind) bool {
	return k.Domain == socket.Inet || k.Domain == socket.Inet6 || k.Domain == socket.Unix
}

// serveBatches serves the peers of a datagram listener in batches.
func (r *run) serveBatches(ctx context.Context, l *zocalo.Listener) error {
	b := &batching{r: r}
	idle := r.sessionIdle()
	if r.Idle > 0 {
		idle = min(idle, r.Idle)
	}
	b.relay = &datagrams.Relay{
		Dial: func(ctx context.Context, peer socket.Name) (*socket.Socket, error) {
			dial := r.dialAny
			if r.Retry != 0 {
				dial = r.dial // what the peer sends waits meanwhile
			}
			s, _, err := dial(ctx, nil, r.to)
			return s, err
		},
		Idle: idle, Max: r.maxSessions(), MaxMessage: r.MaxMessage, Allow: r.Allow, Deny: r.Deny,
		Rate: r.Rate, TotalRate: r.TotalRate, Drain: -1, Log: r.Log,
		OnEnd: func(s datagrams.Session) {
			p := b.pair(s)
			r.account.sum(p.Result)
			if r.tells(p.Result.How) {
				r.OnEnd(p)
			}
		},
	}
	r.account.attach(b)
	r.account.countDrops(b.drops)
	defer context.AfterFunc(r.life, b.relay.Abort)()
	return b.relay.Serve(ctx, l.Sockets()...)
}

func (b *batching) pairs() []Pair {
	sessions := b.relay.Sessions()
	pairs := make([]Pair, len(sessions))
	for i, s := range sessions {
		pairs[i] = b.pair(s)
		pairs[i].Open = true
	}
	return pairs
}

// pair is a session as a pair.
func (b *batching) pair(s datagrams.Session) Pair {
	return Pair{
		Number: s.Number, Peer: s.Peer.String(), Target: b.r.targetText(s.Target),
		Began: time.Now().Add(-s.Result.Duration), Result: s.Result, Dropped: s.Dropped[relay.A] + s.Dropped[relay.B], Err: s.Err,
	}
}

// targetText is how a name that was reached is called.
func (r *run) targetText(n socket.Name) string {
	for _, e := range r.to {
		if slices.ContainsFunc(e.kinds(), func(k socket.Kind) bool { return k.Domain == n.Domain() }) {
			return fmt.Sprintf("%s:%v", e.Scheme.Name, n)
		}
	}
	return ""
}

func (b *batching) count() int { return int(b.relay.Totals().Open) }

func (b *batching) drops() int64 {
	t := b.relay.Totals()
	return t.Dropped[relay.A] + t.Dropped[relay.B] + t.Overflowed
}
