package main

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"zocalo"
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
interrupted; those that connect meanwhile wait in the queue. Input that is a
file is sent to each of them. Other input goes on where the last conversation
left off, and a peer that finishes ends its own as soon as input pauses.
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
	w := newWaiting(p)
	defer w.close()
	l.again = l.keep
	for {
		err := l.once(ctx, w)
		var usage usageError
		var standard *standardError
		switch {
		case ctx.Err() != nil && l.keep:
			return nil // as a server ends
		case ctx.Err() != nil:
			return interruption(ctx)
		case !l.keep, isBrokenOutput(err), errors.As(err, &usage), errors.As(err, &standard):
			return err
		case err != nil:
			l.log.Warn("conversation ended", "error", oneLine(err))
		}
		if err := l.standard.rewind(); err != nil {
			return newStandardError("standard input", err)
		}
	}
}

// once takes the next peer and talks with it.
func (l *listen) once(ctx context.Context, w *waiting) error {
	end, err := w.next(ctx, l.log.Warn)
	if err != nil {
		return err
	}
	if !l.keep {
		w.close()
	}
	if !l.quiet && !l.json {
		l.sayf("connected by %s", server.PeerText(end.Socket))
	}
	if err := l.sayConnected(end.Socket, true); err != nil {
		end.Socket.Close()
		return err
	}
	_, err = l.hold(ctx, end, w.address)
	return err
}

// waiting is a listener that gives peers one by one, with or without
// connections.
type waiting struct {
	*passive
	sockets []*socket.Socket // of a kind without connections: nil in place of one that has a peer
	names   []socket.Name
}

func newWaiting(p *passive) *waiting {
	w := &waiting{passive: p}
	if !p.Sockets()[0].Properties().Connected {
		w.sockets, w.names = slices.Clone(p.Sockets()), p.Names()
	}
	return w
}

// close ends the waiting. It leaves a socket that has a peer alone.
func (w *waiting) close() {
	if w.sockets == nil {
		w.Close()
		return
	}
	for _, s := range w.sockets {
		if s != nil {
			s.Close()
		}
	}
}

// next returns the next peer.
func (w *waiting) next(ctx context.Context, warn func(string, ...any)) (relay.End, error) {
	if w.sockets == nil {
		c, err := w.Accept(ctx)
		return relay.End{Socket: c}, err
	}
	for i, s := range w.sockets {
		if s == nil {
			if err := w.reopen(ctx, i); err != nil {
				return relay.End{}, err
			}
		}
	}
	for {
		end, err := w.first(ctx)
		var unnamed *relay.UnnamedPeerError
		if errors.As(err, &unnamed) {
			warn("message refused", "error", err)
			continue
		}
		return end, err
	}
}

// first returns the first to send to any of the sockets.
func (w *waiting) first(ctx context.Context) (relay.End, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make([]relay.End, len(w.sockets))
	errs := make([]error, len(w.sockets))
	winner := -1
	var once sync.Once
	var wg sync.WaitGroup
	for i, s := range w.sockets {
		wg.Go(func() {
			ends[i], errs[i] = relay.FirstPeer(ctx, s, 0)
			once.Do(func() {
				winner = i
				cancel()
			})
		})
	}
	wg.Wait()
	for i, s := range w.sockets {
		if errs[i] == nil {
			if i != winner {
				s.Close() // its peer came at the same moment, and too late
			}
			w.sockets[i] = nil
		}
	}
	return ends[winner], errs[winner]
}

// reopen listens again on the name of a socket that had a peer and is closed.
func (w *waiting) reopen(ctx context.Context, i int) error {
	a := w.address
	a.Endpoint = w.names[i].String()
	a.Settings = slices.DeleteFunc(slices.Clone(a.Settings), func(s socket.Setting) bool { return s.Spec == address.Bind.Spec })
	l, err := zocalo.ListenAddress(ctx, a)
	if err == nil {
		w.sockets[i] = l.Sockets()[0]
	}
	return err
}
