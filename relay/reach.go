package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/accept"
	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/internal/units"
	"zocalo/process"
	"zocalo/server"
	"zocalo/socket"
)

// A reacher gets the other end for a peer.
type reacher interface {
	// reach returns the other end for a peer, which may be nil where it is not
	// known yet, and how it is called.
	reach(ctx context.Context, p *Peer) (*socket.Socket, target, error)
	close()
}

// A target is what was reached.
type target struct {
	end
	text string
}

// reacher returns what reaches TO.
func (r *run) reacher(ctx context.Context) (reacher, error) {
	to := r.now().to[0]
	if !to.passive {
		return dialling{r}, nil
	}
	l, err := r.listen(ctx, to)
	if err != nil {
		return nil, err
	}
	if hasDatagrams(l) {
		return r.newGathering(l), nil
	}
	return &accepting{r: r, l: l, turn: make(chan struct{}, 1)}, nil
}

// dialling connects to the first of TO that can be reached.
type dialling struct{ r *run }

func (d dialling) close() {}

func (d dialling) reach(ctx context.Context, p *Peer) (*socket.Socket, target, error) {
	s, t, err := d.r.dial(ctx, p, nil)
	if err == nil && isInternet(s.Domain()) && s.Type() == socket.Datagram && t.Scheme != requested && d.r.now().hasOthers() {
		s = d.r.failover(ctx, p, s)
	}
	return s, t, err
}

// hasOthers reports whether another target may be there where one refuses:
// another TO, or another name of the same.
func (s *settings) hasOthers() bool {
	return s.Reach == nil && (s.Route != nil || len(s.to) > 1 || !s.to[0].literal())
}

func isInternet(d socket.Domain) bool { return d == socket.Inet || d == socket.Inet6 }

// failover returns s with the other targets behind it.
func (r *run) failover(ctx context.Context, p *Peer, s *socket.Socket) *socket.Socket {
	return zocalo.Failover{
		Next: func(closed context.Context, refused []socket.Name) (*socket.Socket, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(closed, cancel)()
			next, _, err := r.dialAny(ctx, p, nil, refused)
			return next, err
		},
		OnMove: func(to socket.Name, why error) {
			r.log.Info("a target refused; using another", "target", to, "error", why)
		},
	}.Wrap(s)
}

// found is an end that was reached already.
type found struct {
	s *socket.Socket
	t target
}

func (f found) close() {}

func (f found) reach(context.Context, *Peer) (*socket.Socket, target, error) {
	return f.s, f.t, nil
}

// retryBackoff is before trying again to reach TO.
var retryBackoff = pass.Backoff{First: 100 * time.Millisecond, Last: 10 * time.Second}

// programPause is the longest before trying again to start a program.
const programPause = time.Second

// shortTime is for how long descriptors may be out before a peer is given up:
// every one that waits holds one of them itself.
const shortTime = 5 * time.Second

// dial connects to the first of the ends that can be reached, and tries again
// as Retry says, or while descriptors are out. A peer that breaks off meanwhile
// ends it. Nil ends are those of TO, as they are at each attempt.
func (r *run) dial(ctx context.Context, p *Peer, to []end) (*socket.Socket, target, error) {
	if isNow(p.socket(), saidNothing) { // as whoever only tries whether somebody answers: TO is spared that
		return nil, target{}, errGone
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.life, func() { cancel(context.Cause(r.life)) })()
	defer watch(p.socket(), gone, func() { cancel(errGone) })()
	start := time.Now()
	for pause := retryBackoff.First; ; pause = retryBackoff.After(pause) {
		s, t, err := r.dialAny(ctx, p, to, nil)
		if err == nil {
			return s, t, nil
		}
		holds := r.now()
		patience, told := holds.Retry, pause > retryBackoff.First
		switch {
		case to == nil && arePrograms(holds.to) && process.Short(err):
			// The client waits until other programs have ended, and others wait
			// behind it at the gate.
			told = true
			r.gate.Tell(r.log, err)
			patience, pause = -1, min(pause, programPause)
		case pass.IsShortage(err) && patience >= 0:
			patience = max(patience, shortTime)
		}
		switch {
		case ctx.Err() != nil:
			return nil, target{}, context.Cause(ctx)
		case patience >= 0 && time.Since(start)+pause > patience, !mayPass(err):
			return nil, target{}, err
		}
		r.log.Debug("trying again", "pause", pause, "error", err)
		if !told {
			r.log.Info("trying again what could not be reached", "for", patienceText(patience), "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, target{}, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// arePrograms reports whether every one of the ends is a program, which is there
// at once or not at all.
func arePrograms(to []end) bool {
	return !slices.ContainsFunc(to, func(e end) bool { return !e.Scheme.Program })
}

func patienceText(d time.Duration) string {
	if d < 0 {
		return "as long as it takes"
	}
	return units.Set(d)
}

// dialAny connects to the first of the ends that can be reached, except to those
// that have refused.
func (r *run) dialAny(ctx context.Context, p *Peer, to []end, refused []socket.Name) (*socket.Socket, target, error) {
	holds := r.now()
	if to == nil {
		to = holds.to
		switch {
		case holds.Reach != nil:
			return r.reachBy(ctx, holds, p)
		case holds.Route != nil && p != nil:
			var err error
			if to, err = r.route(ctx, holds, p); err != nil {
				return nil, target{}, err
			}
		}
	}
	var errs []error
	for _, e := range to {
		began := time.Now()
		s, t, err := r.dialOne(p.origin(ctx, e), holds, e, p, refused)
		r.reached(p, e.Address, t.text, began, err)
		if err == nil {
			return s, t, nil
		}
		errs = append(errs, err)
	}
	return nil, target{}, errors.Join(errs...)
}

// reachBy has Reach connect.
func (r *run) reachBy(ctx context.Context, holds *settings, p *Peer) (*socket.Socket, target, error) {
	if p == nil { // FROM does not listen
		p = &Peer{}
	}
	began := time.Now()
	s, text, err := holds.Reach(ctx, p)
	r.reached(p, address.Address{}, text, began, err)
	return s, target{holds.to[0], text}, err
}

// route is what Route makes of TO for a peer. What asks for more than the engine can do
// is refused, as it would be among the settings.
func (r *run) route(ctx context.Context, holds *settings, p *Peer) (to []end, err error) {
	addresses, err := holds.Route(ctx, p, holds.To)
	if err == nil && len(addresses) == 0 {
		err = errors.New("no address to reach was chosen")
	}
	for _, a := range addresses {
		e, err := newEnd(a)
		if err != nil {
			return nil, err
		}
		if lack := e.demands().beyond(r.chosen.bears); lack != "" {
			return nil, &NotFastError{lack}
		}
		to = append(to, e)
	}
	return to, err
}

// dialOne connects to one end.
func (r *run) dialOne(ctx context.Context, holds *settings, e end, p *Peer, refused []socket.Name) (*socket.Socket, target, error) {
	d := zocalo.Dialer{Timeout: holds.connectTimeout(), Except: refused}
	if e.Scheme == requested {
		s, text, err := r.dialRequested(ctx, d, e, p)
		return s, target{e, text}, err
	}
	c, err := d.DialAddress(ctx, e.Address)
	if err != nil {
		return nil, target{}, err
	}
	text := e.Scheme.Name
	if name := c.Peer().String(); name != "" {
		text += ":" + name
	} else if e.Endpoint != "" {
		text += ":" + e.Endpoint
	}
	return c, target{e, text}, nil
}

var errGone = fmt.Errorf("the peer disconnected before its target was reached: %w", syscall.ECONNRESET)

// gone reports whether a peer has reset the connection, or closed it both ways, as
// far as the system can tell. What a unix peer has sent before it closed is passed
// on all the same: its kind has no other way to say that it was all. So is what may
// be an end in order above a connection that is reset: TLS says it in what is unread.
func gone(peer *socket.Socket, fd uintptr) bool {
	over, _, unread := sys.Hangup(int(fd))
	if _, bare := socket.As[socket.Descriptor](peer); bare {
		return over && (unread == 0 || peer.Domain() != socket.Unix)
	}
	h, tells := peer.Unwrap().(holder)
	return over && unread == 0 && !(tells && h.Holds())
}

// A holder is a layer that knows whether it has read what nobody has taken yet.
type holder interface{ Holds() bool }

// saidNothing reports whether a peer is gone and has left nothing to be passed on, for
// certain: not where a layer does not tell what it has read.
func saidNothing(peer *socket.Socket, fd uintptr) bool {
	if _, bare := socket.As[socket.Descriptor](peer); !bare {
		l, is := peer.Unwrap().(socket.Layer)
		if _, tells := peer.Unwrap().(holder); !tells || !is {
			return false
		}
		if _, bare = socket.As[socket.Descriptor](l.Lower()); !bare {
			return false
		}
	}
	_, _, unread := sys.Hangup(int(fd))
	return unread == 0 && gone(peer, fd)
}

// left is gone for whoever waits for a partner: a peer that has finished and said
// nothing is taken for one that closed.
func left(peer *socket.Socket, fd uintptr) bool {
	_, ended, unread := sys.Hangup(int(fd))
	return ended && unread == 0 || gone(peer, fd)
}

// watch calls f once a peer, of which nothing is read meanwhile, is what is
// asked for. The func that it returns ends that. Nothing is known of a nil peer, nor
// of one without a descriptor.
func watch(peer *socket.Socket, is func(*socket.Socket, uintptr) bool, f func()) (stop func()) {
	raw := descriptorOf(peer)
	if raw == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if raw.Read(func(fd uintptr) bool { return is(peer, fd) }) == nil {
			f()
		}
	}()
	return func() {
		peer.SetReadDeadline(time.Unix(1, 0))
		<-done
		peer.SetReadDeadline(time.Time{})
	}
}

// isNow asks the same once.
func isNow(peer *socket.Socket, is func(*socket.Socket, uintptr) bool) (it bool) {
	if raw := descriptorOf(peer); raw != nil {
		raw.Control(func(fd uintptr) { it = is(peer, fd) })
	}
	return it
}

// descriptorOf returns the descriptor of a connection of the kernel's, or of that
// beneath its layers, nil where there is none.
func descriptorOf(peer *socket.Socket) syscall.RawConn {
	if peer == nil || !peer.Properties().Connected {
		return nil
	}
	d, ok := socket.Beneath[socket.Descriptor](peer)
	if !ok {
		return nil
	}
	raw, err := d.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// mayPass reports whether an error is one of the network or of whoever is to be
// reached, and not of what was asked for.
func mayPass(err error) bool {
	return !errors.Is(err, errors.ErrUnsupported) && !pass.Is(err, syscall.EACCES, syscall.EPERM, syscall.EISDIR)
}

// accepting takes the next peer of a listener.
type accepting struct {
	r    *run
	l    server.Listener
	turn chan struct{} // of capacity 1: to accept, in the order of asking

	// spare was accepted for a peer that had gone by then. Whose turn it is has it.
	spare *socket.Socket
}

func (a *accepting) close() {
	a.l.Close()
	a.turn <- struct{}{}
	if a.spare != nil {
		a.spare.Abort()
	}
}

func (a *accepting) reach(ctx context.Context, p *Peer) (*socket.Socket, target, error) {
	peer := p.socket()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer watch(peer, left, func() { cancel(errGone) })()
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, target{}, context.Cause(ctx)
	}
	for {
		c, err := a.accept(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, target{}, context.Cause(ctx)
		case err != nil:
			return nil, target{}, err
		case isNow(c, left):
			c.Close()
			a.r.log.Debug("a peer had disconnected before a partner came for it", "listener", a.l.Name(), "peer", c.Peer())
		case isNow(peer, left):
			a.spare = c
			return nil, target{}, errGone
		default:
			return c, target{a.r.now().to[0], accept.PeerText(c)}, nil
		}
	}
}

// accept returns the next peer that is let in.
func (a *accepting) accept(ctx context.Context) (*socket.Socket, error) {
	if c := a.spare; c != nil {
		a.spare = nil
		return c, nil
	}
	for {
		c, err := a.l.Accept(ctx)
		if err != nil {
			return nil, err
		}
		why := server.Lists{Allow: a.r.Allow, Deny: a.r.Deny}.Refuses(c)
		if why == "" {
			return c, nil
		}
		go accept.Refuse(ctx, c, time.Now())
		a.r.log.Info("peer rejected", "listener", a.l.Name(), "peer", c.Peer(), "reason", why)
	}
}

// gathering takes the next peer that sends datagrams to a socket.
type gathering struct {
	r     *run
	peers chan *socket.Socket
	stop  context.CancelFunc
	over  chan error
}

func (r *run) newGathering(l server.Listener) *gathering {
	ctx, cancel := context.WithCancel(r.life)
	g := &gathering{r: r, peers: make(chan *socket.Socket), stop: cancel, over: make(chan error, 1)}
	s := r.sessions(func(handling context.Context, c *socket.Socket) {
		closed := make(chan struct{})
		c.OnClose(func() { close(closed) })
		session, _ := socket.As[interface{ SessionOver() <-chan struct{} }](c)
		select {
		case g.peers <- c:
			<-closed
		case <-session.SessionOver(): // what it has sent is stale
		case <-ctx.Done():
		}
	})
	s.Drain, s.Idle = time.Nanosecond, r.now().sessionIdle()
	r.partners.Store(s)
	go func() { g.over <- s.Serve(ctx, server.SocketsOf(l)...) }()
	return g
}

func (g *gathering) close() {
	g.stop()
	<-g.over
}

func (g *gathering) reach(ctx context.Context, p *Peer) (*socket.Socket, target, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer watch(p.socket(), left, func() { cancel(errGone) })()
	select {
	case c := <-g.peers:
		return c, target{g.r.now().to[0], accept.PeerText(c)}, nil
	case <-ctx.Done():
		return nil, target{}, context.Cause(ctx)
	case err := <-g.over:
		g.over <- err
		return nil, target{}, fmt.Errorf("%v: nothing more is received: %w", g.r.now().to[0], err)
	}
}
