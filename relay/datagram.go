package relay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"zocalo/internal/accept"
	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
	"zocalo/relay/streams"
	"zocalo/server"
	"zocalo/socket"
)

// batching is the engine datagrams: package datagrams, which keeps the list
// of its sessions.
type batching struct {
	r     *run
	relay *datagrams.Relay
	tell  streams.Teller[func()] // of sessions that are over: the loop must not wait
}

func newBatching(r *run, _ server.Listener) engine {
	b := &batching{r: r}
	_, rest := r.maxSessions()
	b.relay = &datagrams.Relay{
		Dial: b.dial, Limits: b.limits(), Rest: rest, MaxMessage: r.MaxMessage, Allow: r.Allow, Deny: r.Deny, Log: r.Config.Log,
		OnPassed: r.Passed, OnEnd: b.ended,
	}
	if r.Admit != nil {
		b.relay.Admit = func(near, peer socket.Name) error { return r.Admit(sessionPeer(0, near, peer)) }
	}
	if r.Began != nil {
		b.relay.OnNew = func(s datagrams.Session) { r.Began(sessionPeer(s.Number, s.Near, s.Peer)) }
	}
	return b
}

// sessionPeer is the peer of a session.
func sessionPeer(number int64, near, peer socket.Name) *Peer {
	return &Peer{Pair: number, Name: peer, Local: near, Text: accept.NameText(peer, nil)}
}

// call is what a Teller of calls does with each.
func call(f func()) { f() }

func (b *batching) serve(ctx context.Context, l server.Listener) error {
	b.tell.Start(call)
	defer b.tell.Stop()
	return b.relay.Serve(ctx, b.r.life, b.r.sockets...)
}

// dial makes the far socket of a session.
func (b *batching) dial(ctx context.Context, s datagrams.Session, refused []socket.Name) (*socket.Socket, error) {
	r, p := b.r, sessionPeer(s.Number, s.Near, s.Peer)
	if refused != nil {
		if c, _, err := r.dialAny(ctx, p, nil, refused); err == nil {
			return c, nil
		}
	}
	dial := func() (*socket.Socket, target, error) { return r.dialAny(ctx, p, nil, nil) }
	if r.now().Retry != 0 {
		dial = func() (*socket.Socket, target, error) { return r.dial(ctx, p, nil) } // what the peer sends waits meanwhile
	}
	c, _, err := dial()
	return c, err
}

func (b *batching) limits() datagrams.Limits {
	now := b.r.now()
	idle := now.sessionIdle()
	if now.Idle > 0 && (idle < 0 || now.Idle < idle) {
		idle = now.Idle
	}
	most, _ := b.r.maxSessions()
	return datagrams.Limits{Idle: idle, Max: most, MaxPerPeer: now.MaxConnsPerPeer, Rate: now.Rate, TotalRate: now.TotalRate, HasOthers: now.hasOthers()}
}

func (b *batching) change() { b.relay.SetLimits(b.limits()) }

func (b *batching) ended(s datagrams.Session) {
	b.r.account.ended(s.Result.How)
	if b.r.tells(s.Result.How) {
		p := b.pair(s)
		b.tell.Add(func() { b.r.Ended(p) })
	}
}

func (b *batching) pairs() []Pair {
	var sessions []datagrams.Session
	b.tell.Boundless(func() { sessions = b.relay.Sessions() })
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
		Number: s.Number, Peer: accept.NameText(s.Peer, nil), Target: b.r.targetText(s.Target),
		Began: time.Now().Add(-s.Result.Duration), Result: s.Result, Dropped: int64(s.Result.From[A].Dropped) + int64(s.Result.From[B].Dropped), Err: s.Err,
	}
}

// targetText is how a name that was reached is called.
func (r *run) targetText(n socket.Name) string {
	for _, e := range r.now().to {
		if slices.ContainsFunc(e.kinds(), func(k socket.Kind) bool { return k.Domain == n.Domain() }) {
			return fmt.Sprintf("%s:%v", e.Scheme.Name, n)
		}
	}
	return n.String()
}

func (b *batching) count(all *Totals) {
	t := b.relay.Totals()
	all.Open += int(t.Open)
	all.Dropped += t.From[A].Dropped + t.From[B].Dropped + t.Overflowed
	for side, f := range t.From {
		all.add(outcome.Side(side), f.Bytes, f.Messages)
		all.Refused += f.Refused
	}
}
