package main

import (
	"context"
	"errors"
	"sync"

	"github.com/spf13/cobra"

	"zocalo/address"
	"zocalo/relay"
	"zocalo/server"
	"zocalo/socket"
)

// listen is the verb listen: a server for one peer at a time, with standard
// input and output on its socket.
type listen struct {
	conversation
	keep bool
}

func (a *app) listenVerb() *cobra.Command {
	l := &listen{conversation: conversation{app: a}}
	cmd := &cobra.Command{
		Use:   "listen ADDRESS",
		Short: "Be a server for one peer, on standard input and output",
		Long: `listen waits for a peer: the first that connects, or on kinds without
connections the first that sends, after which the others are not heard. It
prints what the peer sends, and sends it what it reads from standard input.

With --keep it then takes the next peer, one after the other, until it is
interrupted. Those that come meanwhile wait: connections in the queue, datagrams
in one for each peer, of 64 KiB. Input that is a file is sent to each of them.
Other input goes on where the last conversation left off, and a peer that
finishes ends its own as soon as input pauses. A peer of datagrams that has gone
is not told from one that is silent: give --idle.
` + conversationHelp,
		Example: `  zocalo listen tcp:5346
  zocalo listen unix:/tmp/x.sock --quoted
  zocalo listen --keep udp:any:5514 </dev/null
  zocalo listen --json tcp:0 </dev/null | jq .`,
		ValidArgsFunction: completeAddresses(1),
		Args:              cobra.ExactArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return l.run(cmd, args[0]) },
	}
	l.flags(cmd)
	cmd.Flags().BoolVar(&l.keep, "keep", false, "take the next peer when one has gone, until interrupted")
	return cmd
}

func (l *listen) run(cmd *cobra.Command, text string) error {
	a, err := address.Parse(text)
	if err != nil {
		return usageError{err}
	}
	switch once, given := a.IsOnce(); {
	case given && !once:
		return usagef("%s: listen talks with one peer at a time: leave fork away, and give --keep for one after the other", text)
	case given && l.keep:
		return usagef("%s: once and --keep exclude each other: give one", text)
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	if err := l.prepare(cmd); err != nil {
		return err
	}
	defer l.standard.Close()
	p, err := l.listenOn(ctx, text)
	if err != nil {
		return err
	}
	defer p.Close()
	if l.again = l.keep; l.keep {
		return l.keepTalking(ctx, p)
	}
	end, err := l.first(ctx, p)
	if err == nil {
		err = l.talkWith(ctx, end, p.address)
	}
	if ctx.Err() != nil {
		return interruption(ctx)
	}
	return err
}

// talkWith talks with a peer that is there.
func (l *listen) talkWith(ctx context.Context, end relay.End, a address.Address) error {
	if !l.quiet && !l.json {
		l.sayf("connected by %s", server.PeerText(end.Socket))
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
		err := l.talkWith(ctx, relay.End{Socket: c}, p.address)
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
		srv := &server.Server{Handler: handler, MaxConns: 1, Drain: -1, Log: l.log}
		err = srv.Serve(ctx, p)
	} else {
		sessions := &server.Sessions{Handler: handler, Idle: -1, Drain: -1, Log: l.log}
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
func (l *listen) first(ctx context.Context, p *passive) (relay.End, error) {
	if p.Sockets()[0].Properties().Connected {
		c, err := p.Accept(ctx)
		p.Close()
		return relay.End{Socket: c}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make([]relay.End, len(p.Sockets()))
	errs := make([]error, len(ends))
	winner := -1
	var once sync.Once
	var wg sync.WaitGroup
	for i, s := range p.Sockets() {
		wg.Go(func() {
			ends[i], errs[i] = l.firstNamed(ctx, s)
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

// firstNamed returns the first peer that can be answered.
func (l *listen) firstNamed(ctx context.Context, s *socket.Socket) (relay.End, error) {
	for {
		end, err := relay.FirstPeer(ctx, s, 0)
		var unnamed *relay.UnnamedPeerError
		if !errors.As(err, &unnamed) {
			return end, err
		}
		l.log.Warn("message refused", "error", err)
	}
}
