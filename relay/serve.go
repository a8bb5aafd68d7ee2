package relay

import (
	"context"
	"fmt"
	"syscall"

	"zocalo"
	"zocalo/internal/pass"
	"zocalo/relay/join"
	"zocalo/server"
	"zocalo/socket"
)

// listen listens on an address, and tells of it.
func (r *run) listen(ctx context.Context, e end) (server.Listener, error) {
	l, err := zocalo.ListenAddress(ctx, join.Inline(e.Address))
	if err != nil {
		return nil, err
	}
	l.HoldAnswers()
	err = r.checkListener(ctx, l)
	if err == nil && r.Listening != nil {
		err = r.Listening(l, e.Address)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	for _, err := range l.Skipped() {
		r.log.Debug("not listening on one of the addresses", "error", err)
	}
	return l, nil
}

// checkListener refuses a listener with which nothing sensible would come of what is
// asked for.
func (r *run) checkListener(ctx context.Context, l server.Listener) error {
	sockets := server.SocketsOf(l)
	if err := (server.Lists{Allow: r.Allow, Deny: r.Deny}).Apply(sockets...); err != nil {
		return err
	}
	return r.refuseItself(ctx, sockets, r.now().to)
}

// listener returns what peers of FROM come to.
func (r *run) listener(ctx context.Context) (server.Listener, error) {
	if r.Listener == nil {
		return r.listen(ctx, r.from)
	}
	if l, ok := r.Listener.(*zocalo.Listener); ok {
		l.HoldAnswers()
	}
	return r.Listener, r.checkListener(ctx, r.Listener)
}

// serve joins the peers of FROM, each with a TO.
func (r *run) serve(ctx context.Context) error {
	l, err := r.listener(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := r.start(ctx, l); err != nil {
		return err
	}
	return (*r.engine.Load()).serve(ctx, l)
}

// start makes the engine that was chosen, unless names that have been looked up by
// now want another. From then on changes are its to make.
func (r *run) start(ctx context.Context, l server.Listener) error {
	r.relay.changes.Lock()
	defer r.relay.changes.Unlock()
	r.sockets = server.SocketsOf(l)
	if lack := r.meansMany(ctx, r.sockets, r.now().to); lack != "" {
		if r.Path == Fast {
			return &NotFastError{lack}
		}
		r.chosen = choice{&anyEnds, "the fast path " + lack}
	}
	e := r.chosen.start(r, l)
	r.engine.Store(&e)
	name, why := r.movedBy()
	// A log that nobody reads does not keep the relay, here where it holds a lock.
	go r.log.Debug("the engine was chosen", "engine", name, "reason", why)
	return nil
}

// meansMany says why the engine datagrams cannot reach what only looking it up tells of,
// "" if it can.
func (r *run) meansMany(ctx context.Context, own []*socket.Socket, to []end) string {
	if r.chosen.engineKind == &anyEnds || !areDatagrams(own) {
		return ""
	}
	if group := r.group(ctx, to); group != "" {
		return fmt.Sprintf("hears only whom it is connected to, but others may answer for %s", group)
	}
	return ""
}

func hasDatagrams(l server.Listener) bool { return areDatagrams(server.SocketsOf(l)) }

func areDatagrams(sockets []*socket.Socket) bool {
	return len(sockets) > 0 && !sockets[0].Properties().Connected
}

// isOnce reports whether a listener is to take one peer only.
func (e end) isOnce() bool {
	once, _ := e.Address.IsOnce()
	return e.passive && once || e.single()
}

// single reports whether the address can be opened once only: what it means is
// this program's own, and gone when it is closed.
func (e end) single() bool {
	return !e.passive && e.Scheme.Inherited != nil
}

// single joins one FROM with one TO, where neither listens.
func (r *run) single(ctx context.Context) error {
	from, _, err := r.dial(ctx, nil, []end{r.from})
	if err != nil && !r.from.Scheme.NoListen && pass.Is(err, syscall.ECONNREFUSED, syscall.ENOENT) {
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
	other, target, err := to.reach(ctx, nil)
	if err != nil {
		return err
	}
	from, _, err := r.dial(ctx, r.peerOf(other), []end{r.from})
	if err != nil {
		other.Abort()
		return err
	}
	return r.pair(r.life, from, found{other, target})
}
