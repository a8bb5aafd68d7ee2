package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"

	"zocalo"
	"zocalo/server"
	"zocalo/socket"
)

// listen listens on an address, and tells of it.
func (r *run) listen(ctx context.Context, e end) (*zocalo.Listener, error) {
	l, err := zocalo.ListenAddress(ctx, e.Address)
	if err != nil {
		return nil, err
	}
	if tell := r.OnListening; tell != nil {
		if err := tell(l, e.Address); err != nil {
			l.Close()
			return nil, err
		}
	}
	for _, err := range l.Skipped() {
		r.log.Debug("not listening on one of the names", "error", err)
	}
	return l, nil
}

// serve joins the peers of FROM, each with a TO.
func (r *run) serve(ctx context.Context) error {
	fast, err := r.choose()
	if err != nil {
		return err
	}
	if k, _ := r.from.kind(); fast != nil && k.Type == socket.Stream && k.Properties().Urgent > 0 {
		// The connections have it from the listener, so that it need not be
		// set on each.
		r.from.Settings = append(slices.Clone(r.from.Settings), socket.Setting{Spec: socket.OOBInline.Spec, Value: true})
	}
	l, err := r.listen(ctx, r.from)
	if err != nil {
		return err
	}
	defer l.Close()
	if fast != nil {
		return fast(ctx, l)
	}

	to, err := r.reacher(ctx)
	if err != nil {
		return err
	}
	defer to.close()
	once := r.from.isOnce() || r.to[0].isOnce()
	var taken atomic.Bool
	var only error
	handle := func(_ context.Context, c *socket.Socket) {
		switch {
		case !once:
			r.pair(r.reaching(ctx, to), c, to)
		case taken.CompareAndSwap(false, true):
			r.stop()
			only = r.pair(r.life, c, to)
		}
	}
	if hasDatagrams(l) {
		s := r.sessions(handle)
		r.account.countDrops(s.Dropped)
		err = s.Serve(ctx, l.Sockets()...)
	} else {
		err = r.server(once, handle).Serve(ctx, l)
	}
	return errors.Join(err, only)
}

// server is what serves peers that connect. It never ends them by itself: that
// is run.drain's.
func (r *run) server(once bool, handle func(context.Context, *socket.Socket)) *server.Server {
	s := &server.Server{Handler: handle, MaxConns: r.maxConns(), Drain: -1, Allow: r.Allow, Deny: r.Deny, Log: r.Log}
	if once {
		s.MaxConns = 1
	}
	return s
}

// sessions is the same for peers that send datagrams.
func (r *run) sessions(handle func(context.Context, *socket.Socket)) *server.Sessions {
	return &server.Sessions{
		Handler: handle, Idle: r.sessionIdle(), Max: r.maxSessions(), MaxMessage: r.MaxMessage,
		Drain: -1, Allow: r.Allow, Deny: r.Deny, Log: r.Log,
	}
}

// reaching is the context in which the other end is reached: who connects may
// go on while the bridge drains, who waits for a peer to come may not.
func (r *run) reaching(accepting context.Context, to reacher) context.Context {
	if _, dials := to.(dialling); dials {
		return r.life
	}
	return accepting
}

func hasDatagrams(l *zocalo.Listener) bool { return !l.Sockets()[0].Properties().Connected }

// isOnce reports whether a listener is to take one peer only.
func (e end) isOnce() bool {
	once, _ := e.Address.IsOnce()
	return e.passive && once || e.single()
}

// single reports whether the address can be opened once only: what it means is
// this program's own, and gone when it is closed.
func (e end) single() bool {
	return !e.passive && (e.Scheme.Name == "stdio" || e.Scheme.Name == "fd")
}

// single joins one FROM with one TO, where neither listens.
func (r *run) single(ctx context.Context) error {
	from, _, err := r.dial(ctx, nil, []end{r.from})
	if err != nil && !r.from.Scheme.NoListen && isAny(err, syscall.ECONNREFUSED, syscall.ENOENT) {
		err = fmt.Errorf("%w; to listen there, write %s-listen:%s", err, r.from.Scheme.Name, r.from.Endpoint)
	}
	if err != nil {
		return err
	}
	return r.pair(r.life, from, dialling{r})
}

// second joins one peer of TO, which listens, with FROM, which does not.
func (r *run) second(ctx context.Context) error {
	to, err := r.reacher(ctx)
	if err != nil {
		return err
	}
	defer to.close()
	peer, target, err := to.reach(ctx, nil)
	if err != nil {
		return err
	}
	from, _, err := r.dial(ctx, peer, []end{r.from})
	if err != nil {
		peer.Abort()
		return err
	}
	return r.pair(r.life, from, found{peer, target})
}
