package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"zocalo/address"
	"zocalo/internal/accept"
	"zocalo/internal/units"
	"zocalo/relay/join"
	"zocalo/server"
	"zocalo/socket"
)

// listen is the verb listen: a server for one peer at a time, with standard
// input and output on its socket.
type listen struct {
	conversation
	lists
	keep          bool
	acceptTimeout time.Duration
}

func (a *app) listenVerb() *cobra.Command {
	l := &listen{conversation: conversation{app: a}}
	cmd := &cobra.Command{
		Use:     "listen ADDRESS | PORT",
		Aliases: []string{"l"},
		Short:   "Accept one peer, and connect it to standard input and output",
		Long: `listen PORT means listen tcp:PORT, or udp:PORT with -u. It waits for one peer: the
first to connect or, on connectionless kinds, the first to send; others are
ignored from then on. It prints what the peer sends, and sends it what it reads
from standard input.

With --keep it accepts the next peer when one has finished, until interrupted.
Meanwhile others wait in the backlog. If standard input is a file, each peer gets
all of it. Otherwise each peer gets what the last one left, and when a peer
finishes, its conversation ends as soon as input pauses. On connectionless kinds,
--keep hears all peers at once, and sends input to the one heard last; -v and
--json show who sent each message.
` + conversationHelp,
		Example: `  zocalo listen tcp:5346
  zocalo listen any:8080 >file
  zocalo listen unix:/tmp/x.sock --quoted
  zocalo listen --keep udp:any:5514 </dev/null
  zocalo listen --json tcp:0 </dev/null | jq .`,
		ValidArgsFunction: completeAddresses(1),
		Args:              arguments(1, 2),
		RunE:              func(cmd *cobra.Command, args []string) error { return l.run(cmd, args) },
	}
	l.conversation.flags(cmd)
	l.lists.flags(cmd)
	cmd.Flags().BoolVarP(&l.keep, "keep", "k", false, "accept the next peer when one has finished, until interrupted")
	cmd.Flags().Var(value(&l.acceptTimeout, 0, aTime), "accept-timeout", "give up if no peer has come after this long; 0 is never")
	return cmd
}

func (l *listen) run(cmd *cobra.Command, args []string) error {
	a, err := l.addressOf(args)
	if err != nil {
		return err
	}
	switch once, given := a.IsOnce(); {
	case given && !once:
		return usagef("%v: listen takes one peer at a time: omit fork, and use --keep for one after another", a)
	case given && l.keep:
		return usagef("%v: once and --keep cannot be combined: give one", a)
	}
	if err := exclusive(cmd, "keep", "accept-timeout"); err != nil {
		return err
	}
	if d, given := address.AcceptTimeout.In(a.Settings); given {
		l.acceptTimeout = d
	}
	if _, given := address.MaxConns.In(a.Settings); given {
		return usagef("%v: listen takes one peer at a time: omit max-conns", a)
	}
	if err := l.Take(a); err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	if err := l.prepare(cmd); err != nil {
		return err
	}
	defer l.standard.Close()
	if l.recorder, err = l.recording.recorder(l.app, cmd, true); err != nil {
		return err
	}
	l.listens = true
	return l.recorder.close(l.serve(l.recorder.context(ctx, &l.recording), a))
}

// serve listens and talks.
func (l *listen) serve(ctx context.Context, a address.Address) error {
	p, err := l.listenOn(ctx, a, &l.Lists, true)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := l.recorder.start(); err != nil {
		return err
	}
	defer l.tell("listen", l.held.rows)()
	l.onlyFirst = !l.keep
	if l.again = l.keep; l.keep {
		return l.keepTalking(ctx, p)
	}
	end, err := l.firstInTime(ctx, p)
	if err == nil {
		err = l.talkWith(ctx, end, p.address)
	}
	if ctx.Err() != nil {
		return interruption(ctx)
	}
	return err
}

// firstInTime is first, for as long as --accept-timeout says.
func (l *listen) firstInTime(ctx context.Context, p *passive) (join.End, error) {
	if l.acceptTimeout == 0 {
		return l.first(ctx, p)
	}
	bounded, stop := context.WithTimeout(ctx, l.acceptTimeout)
	defer stop()
	end, err := l.first(bounded, p)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("no peer came within %s (--accept-timeout)", units.Set(l.acceptTimeout))
	}
	return end, err
}

// talkWith talks with a peer that is there.
func (l *listen) talkWith(ctx context.Context, end join.End, a address.Address) error {
	if !l.quiet && !l.json {
		l.sayf("connected by %s", accept.PeerText(end.Socket))
		if l.greeted != nil {
			l.greeted.isNew(end.Socket.Peer())
		}
	}
	if err := l.sayConnected(end.Socket, true); err != nil {
		end.Socket.Close()
		return err
	}
	_, err := l.hold(ctx, end, a)
	return err
}

// keepTalking talks with one peer after the other until ctx ends, as servers
// do, or until something fails that would fail again. The others wait: in the
// system's queue of connections, or each with what it sent in its session.
func (l *listen) keepTalking(ctx context.Context, p *passive) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	turn := make(chan struct{}, 1) // blocked senders of a channel take turns as they came
	var failure error
	handler := func(_ context.Context, c *socket.Socket) {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
		defer func() { <-turn }()
		if ctx.Err() != nil {
			return
		}
		err := l.talkWith(ctx, join.End{Socket: c}, p.address)
		switch {
		case ctx.Err() != nil:
			return
		case lasts(err):
			failure = err
		case err != nil:
			l.log.Warn("conversation ended", "error", oneLine(err))
			fallthrough
		default:
			if err = l.standard.rewind(); err != nil {
				failure = newStandardError("standard input", err)
			}
		}
		if failure != nil {
			end(failure)
		}
	}
	var err error
	if p.Sockets()[0].Properties().Connected {
		srv := &server.Server{Handler: handler, MaxConns: 1, Drain: -1, Allow: l.Allow, Deny: l.Deny, Log: l.log}
		err = srv.Serve(ctx, p)
	} else {
		l.greeted = peers{}
		sessions := &server.Sessions{Handler: handler, Together: true, Idle: -1, Drain: -1, Queue: 256 << 10, Allow: l.Allow, Deny: l.Deny, Log: l.log}
		err = sessions.Serve(ctx, p.Sockets()...)
	}
	if failure != nil {
		return failure
	}
	return err
}

// lasts reports whether a conversation ended by something that the next would
// find again.
func lasts(err error) bool {
	var usage usageError
	var standard *standardError
	return isBrokenOutput(err) || errors.As(err, &usage) || errors.As(err, &standard)
}

// first returns the first peer: that connects, or on a kind without
// connections that sends to any of the sockets. Nobody listens after it.
func (l *listen) first(ctx context.Context, p *passive) (join.End, error) {
	if p.Sockets()[0].Properties().Connected {
		defer p.Close()
		for {
			c, err := p.Accept(ctx)
			if err != nil || !l.turnsAway(c) {
				return join.End{Socket: c}, err
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make([]join.End, len(p.Sockets()))
	errs := make([]error, len(ends))
	winner := -1
	var once sync.Once
	var wg sync.WaitGroup
	for i, s := range p.Sockets() {
		wg.Go(func() {
			ends[i], errs[i] = join.FirstPeer(ctx, s, 0, l.admits)
			once.Do(func() {
				winner = i
				cancel()
			})
		})
	}
	wg.Wait()
	for i, s := range p.Sockets() {
		if i != winner {
			s.Close()
		}
	}
	return ends[winner], errs[winner]
}

// turnsAway resets a peer that --allow or --deny is against.
func (l *listen) turnsAway(c *socket.Socket) bool {
	why := server.Lists{Allow: l.Allow, Deny: l.Deny}.Refuses(c)
	if why != "" {
		accept.Refuse(context.Background(), c, time.Now())
		l.log.Info("peer rejected", "peer", accept.PeerText(c), "reason", why)
	}
	return why != ""
}

// admits reports whether --allow and --deny let in who sent a message.
func (l *listen) admits(m *socket.Message) bool {
	return server.Lists{Allow: l.Allow, Deny: l.Deny}.RefusesSender(m) == ""
}
