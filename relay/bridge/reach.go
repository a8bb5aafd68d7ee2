package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"zocalo"
	"zocalo/internal/sys"
	"zocalo/server"
	"zocalo/socket"
)

// A reacher gets the other end for a peer.
type reacher interface {
	// reach returns the other end for a peer, which may be nil where it is not
	// known yet, and how it is called.
	reach(ctx context.Context, peer *socket.Socket) (*socket.Socket, target, error)
	close()
}

// A target is what was reached.
type target struct {
	end
	text string
}

// reacher returns what reaches TO.
func (r *run) reacher(ctx context.Context) (reacher, error) {
	if !r.to[0].passive {
		return dialling{r}, nil
	}
	l, err := r.listen(ctx, r.to[0])
	if err != nil {
		return nil, err
	}
	if hasDatagrams(l) {
		return r.newGathering(l), nil
	}
	return accepting{r, l}, nil
}

// dialling connects to the first of TO that can be reached.
type dialling struct{ r *run }

func (d dialling) close() {}

func (d dialling) reach(ctx context.Context, peer *socket.Socket) (*socket.Socket, target, error) {
	return d.r.dial(ctx, peer, d.r.to)
}

// found is an end that was reached already.
type found struct {
	s *socket.Socket
	t target
}

func (f found) close() {}

func (f found) reach(context.Context, *socket.Socket) (*socket.Socket, target, error) {
	return f.s, f.t, nil
}

// The pauses before trying again; each is twice the one before.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

// shortTime is for how long descriptors may be out before a peer is given up:
// every one that waits holds one of them itself.
const shortTime = 5 * time.Second

// dial connects to the first of the ends that can be reached, and tries again
// as Retry says, or while descriptors are out. A peer that breaks off meanwhile
// ends it.
func (r *run) dial(ctx context.Context, peer *socket.Socket, to []end) (*socket.Socket, target, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.life, func() { cancel(context.Cause(r.life)) })()
	start := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		s, t, err := r.dialAny(ctx, peer, to)
		if err == nil {
			return s, t, nil
		}
		patience := r.Retry
		if short(err) {
			patience = max(patience, shortTime)
		}
		switch {
		case ctx.Err() != nil:
			return nil, target{}, context.Cause(ctx)
		case r.Retry >= 0 && time.Since(start)+pause > patience, !mayPass(err):
			return nil, target{}, err
		}
		r.log.Debug("trying again", "pause", pause, "error", err)
		if pause == firstPause {
			r.log.Info("what cannot be reached is tried again", "for", patienceText(patience), "error", err)
		}
		if err := waitFor(ctx, peer, pause); err != nil {
			return nil, target{}, err
		}
	}
}

func patienceText(d time.Duration) string {
	if d < 0 {
		return "as long as it takes"
	}
	return d.String()
}

// dialAny connects to the first of the ends that can be reached.
func (r *run) dialAny(ctx context.Context, peer *socket.Socket, to []end) (*socket.Socket, target, error) {
	var errs []error
	for _, e := range to {
		s, t, err := r.dialOne(ctx, peer, e)
		if err == nil {
			return s, t, nil
		}
		errs = append(errs, err)
	}
	return nil, target{}, errors.Join(errs...)
}

// dialOne connects to one end.
func (r *run) dialOne(ctx context.Context, peer *socket.Socket, e end) (*socket.Socket, target, error) {
	a := e.Address
	if r.Route != nil && peer != nil {
		var err error
		if a, err = r.Route(peer, a); err != nil {
			return nil, target{}, err
		}
	}
	d := zocalo.Dialer{Timeout: r.connectTimeout()}
	s, err := d.DialAddress(ctx, a)
	if err != nil {
		return nil, target{}, err
	}
	text := a.Scheme.Name
	if name := s.Peer().String(); name != "" {
		text += ":" + name
	} else if a.Endpoint != "" {
		text += ":" + a.Endpoint
	}
	return s, target{e, text}, nil
}

// waitFor waits for a while, unless ctx ends or the peer breaks off.
func waitFor(ctx context.Context, peer *socket.Socket, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
	}
	if gone(peer) {
		return errGone
	}
	return nil
}

var errGone = fmt.Errorf("the peer broke off before anything was reached for it: %w", syscall.ECONNRESET)

// gone reports whether a peer has reset the connection, or closed it both
// ways, as far as the system can tell.
func gone(peer *socket.Socket) (ended bool) {
	if peer == nil {
		return false
	}
	raw, err := peer.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) { ended = sys.Ready(int(fd), sys.Ended) })
	return ended
}

// short reports whether err says that descriptors or memory are out.
func short(err error) bool {
	return isAny(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM)
}

func isAny(err error, list ...syscall.Errno) bool {
	return slices.ContainsFunc(list, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

// mayPass reports whether an error is one of the network or of who is to be
// reached, and not of what was asked for.
func mayPass(err error) bool {
	return !errors.Is(err, errors.ErrUnsupported) && !isAny(err, syscall.EACCES, syscall.EPERM, syscall.EISDIR)
}

// accepting takes the next peer of a listener.
type accepting struct {
	r *run
	l *zocalo.Listener
}

func (a accepting) close() { a.l.Close() }

func (a accepting) reach(ctx context.Context, _ *socket.Socket) (*socket.Socket, target, error) {
	for {
		c, err := a.l.Accept(ctx)
		if err != nil {
			return nil, target{}, err
		}
		if why := server.TurnedAway(a.r.Allow, a.r.Deny, c); why != "" {
			c.Abort()
			a.r.log.Info("a peer was turned away", "listener", a.l.Name(), "peer", c.Peer(), "reason", why)
			continue
		}
		return c, target{a.r.to[0], server.PeerText(c)}, nil
	}
}

// gathering takes the next peer that sends datagrams to a socket.
type gathering struct {
	r     *run
	peers chan *socket.Socket
	stop  context.CancelFunc
	over  chan error
}

func (r *run) newGathering(l *zocalo.Listener) *gathering {
	ctx, cancel := context.WithCancel(r.life)
	g := &gathering{r: r, peers: make(chan *socket.Socket), stop: cancel, over: make(chan error, 1)}
	s := r.sessions(func(handling context.Context, c *socket.Socket) {
		closed := make(chan struct{})
		c.OnClose(func() { close(closed) })
		select {
		case g.peers <- c:
			<-closed
		case <-ctx.Done():
		}
	})
	s.Drain = 0
	go func() { g.over <- s.Serve(ctx, l.Sockets()...) }()
	return g
}

func (g *gathering) close() {
	g.stop()
	<-g.over
}

func (g *gathering) reach(ctx context.Context, _ *socket.Socket) (*socket.Socket, target, error) {
	select {
	case c := <-g.peers:
		return c, target{g.r.to[0], server.PeerText(c)}, nil
	case <-ctx.Done():
		return nil, target{}, context.Cause(ctx)
	case err := <-g.over:
		g.over <- err
		return nil, target{}, fmt.Errorf("%v: nothing more is received: %w", g.r.to[0], err)
	}
}
