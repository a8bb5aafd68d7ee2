package zocalo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"zocalo/address"
	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/socket/scheme"
	"zocalo/socket/wait"
)

// maxHandshakes is how many connections of one listening socket may be between
// the kernel's and that of their layers; one more ends the oldest silent one.
const maxHandshakes = 1024

// A stack is the layers of an address, the nearest the socket first.
type stack struct {
	scheme  *scheme.PreparedScheme // beneath them; nil for one that prepares nothing
	layers  []*scheme.Layer
	ready   []*scheme.PreparedLayer
	timeout time.Duration
}

// stackOf prepares the layers of an address, and its scheme, once for all that is
// opened by it. It is nil for an address that has nothing to prepare.
func stackOf(a address.Address, t scheme.Target) (*stack, error) {
	if a.Scheme.Layers == nil && a.Scheme.Prepare == nil {
		return nil, nil
	}
	made, err := a.Once(t.Passive, func() (any, error) { return newStack(a, t) })
	if err != nil {
		return nil, err
	}
	return made.(*stack), nil
}

func newStack(a address.Address, t scheme.Target) (*stack, error) {
	st := &stack{timeout: address.DefaultHandshakeTimeout}
	if given, ok := address.HandshakeTimeout.In(a.Settings); ok && given > 0 {
		st.timeout = given
	}
	if asks := slices.IndexFunc(a.Scheme.Layers, requests); t.Passive && asks >= 0 && slices.ContainsFunc(a.Scheme.Layers[asks+1:], requests) {
		return nil, &scheme.LayerError{Layer: a.Scheme.Layers[asks].Name, Err: errors.New("a layer beneath already asks peers where they want to go, and only one can: listen with one of the two")}
	}
	if prepare := a.Scheme.Prepare; prepare != nil {
		var err error
		if st.scheme, err = prepare(t); err != nil {
			return nil, err
		}
	}
	destination := t.Endpoint
	for i, l := range slices.Backward(a.Scheme.Layers) {
		p, err := l.Prepare(scheme.LayerTarget{
			Passive: t.Passive, Settings: a.LayerSettings(i), Carrier: a.Scheme.Carrier, Destination: destination,
		})
		if err != nil {
			st.close()
			return nil, &scheme.LayerError{Layer: l.Name, Err: err}
		}
		st.layers, st.ready = append(st.layers, l), append(st.ready, p)
		if p.Destination != "" {
			destination = p.Destination
		}
	}
	return st, nil
}

func requests(l *scheme.Layer) bool { return l.Requests }

func (st *stack) close() {
	if st.scheme != nil && st.scheme.Close != nil {
		st.scheme.Close()
	}
	for _, p := range st.ready {
		if p.Close != nil {
			p.Close()
		}
	}
}

// opened hands a new socket to the scheme.
func (st *stack) opened(s *socket.Socket) error {
	if st == nil || st.scheme == nil {
		return nil
	}
	return st.scheme.Opened(s)
}

// overLayers begins the address's layers over a connection that was dialled, which
// it closes where one fails.
func (o *opening) overLayers(ctx context.Context, s *socket.Socket) (*socket.Socket, error) {
	st := o.stack
	if st == nil || st.layers == nil {
		return s, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, st.timeout, os.ErrDeadlineExceeded)
	defer cancel()
	over, err := st.begin(ctx, st.tapped(s, scheme.TapOf(ctx), false), func(p *scheme.PreparedLayer, s *socket.Socket) (*socket.Socket, error) { return p.Client(ctx, s) })
	if err != nil {
		return nil, o.failed(err)
	}
	return over, nil
}

// tapped is a stream with a tap before its layers, if there is one.
func (st *stack) tapped(s *socket.Socket, tap scheme.Tap, passive bool) *socket.Socket {
	if tap == nil || s.Type() != socket.Stream {
		return s
	}
	return tap(s, passive, st.layers)
}

// server begins the layers over a connection that was accepted.
func (st *stack) server(ctx context.Context, s *socket.Socket, heard func()) (*socket.Socket, error) {
	return st.begin(ctx, s, func(p *scheme.PreparedLayer, s *socket.Socket) (*socket.Socket, error) {
		return p.Server(ctx, s, heard)
	})
}

// begin begins one layer after the other, from the socket outward.
func (st *stack) begin(ctx context.Context, s *socket.Socket, one func(*scheme.PreparedLayer, *socket.Socket) (*socket.Socket, error)) (*socket.Socket, error) {
	for i, l := range st.layers {
		over, err := s, l.Fits(s.Properties(), s.Kind())
		if err == nil {
			over, err = one(st.ready[i], s)
		}
		if err != nil {
			s.Close()
			return nil, &scheme.LayerError{Layer: l.Name, Err: st.ended(ctx, err)}
		}
		s = over
	}
	return s, nil
}

// ended returns why a handshake was ended from outside, if that is what err is.
func (st *stack) ended(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case cause == os.ErrDeadlineExceeded && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)):
		return fmt.Errorf("the peer did not finish the handshake within %s: %s=TIME allows more", units.Set(st.timeout), address.HandshakeTimeout.Name)
	case cause == net.ErrClosed && (errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed)):
		return errors.New("the listener was closed during the handshake")
	case cause == wait.ErrGaveWay && errors.Is(err, context.Canceled):
		return cause
	}
	return err
}

// over puts the layers over a listening socket.
func (st *stack) over(s *socket.Socket, tap scheme.Tap) *socket.Socket {
	if st == nil || st.layers == nil {
		return s
	}
	k := s.Kind()
	for _, l := range st.layers {
		k = l.Named(k)
	}
	e := &layeredListener{Endpoint: s}
	e.provesNames = slices.ContainsFunc(st.ready, func(p *scheme.PreparedLayer) bool { return p.ProvesNames })
	e.accepting = wait.Acceptor[*socket.Socket, *socket.Socket]{
		Below: e.below,
		Handshake: func(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error) {
			upper, err := st.server(ctx, st.tapped(lower, tap, true), heard)
			if err == nil && !e.held {
				err = reached(upper)
			}
			switch {
			case e.shook == nil:
			case err != nil:
				e.shook(lower, err)
			default:
				e.shook(upper, nil)
			}
			return upper, err
		},
		Refuse:  func(s *socket.Socket) { s.Abort() },
		Peer:    func(s *socket.Socket) any { _, peer := s.Internet(); return peer.Addr() },
		Max:     maxHandshakes,
		Timeout: st.timeout,
	}
	return socket.Wrap(e, k)
}

// A layeredListener is a listening socket whose connections have layers.
type layeredListener struct {
	socket.Endpoint
	accepting wait.Acceptor[*socket.Socket, *socket.Socket]
	shook     func(*socket.Socket, error)
	admit     func(*socket.Socket) bool
	held      bool // answers are the caller's

	provesNames bool
}

// ProvesNames implements [socket.NameProver].
func (l *layeredListener) ProvesNames() bool { return l.provesNames }

// Admit implements [socket.Admitter].
func (l *layeredListener) Admit(admit func(*socket.Socket) bool) { l.admit = admit }

// below accepts the next connection that may have a handshake.
func (l *layeredListener) below(ctx context.Context) (*socket.Socket, error) {
	for {
		s, err := l.Endpoint.(*socket.Socket).Accept(ctx)
		if err != nil || l.admit == nil || l.admit(s) {
			return s, err
		}
	}
}

// reached tells a peer that has asked to be taken on that it is there: it is here.
// What it cannot be told so closes it.
func reached(s *socket.Socket) error {
	q, asks := socket.As[socket.Requester](s)
	if !asks {
		return nil
	}
	var why error
	if q.Requested().Open != nil {
		why = &socket.UnsupportedError{Feature: "exchanging datagrams through a proxy", Needs: "a relay to requested:"}
	}
	err := q.Answer(s.Name(), why)
	if err = errors.Join(why, err); err != nil {
		s.Close()
	}
	return err
}

// Lower implements [socket.Layer].
func (l *layeredListener) Lower() socket.Endpoint { return l.Endpoint }

// Listen implements [socket.Acceptor].
func (l *layeredListener) Listen(backlog int) error {
	a, ok := socket.As[socket.Acceptor](l.Endpoint)
	if !ok {
		return &socket.UnsupportedError{Feature: "listening"}
	}
	return a.Listen(backlog)
}

// Accept implements [socket.Acceptor]: what it returns is a whole
// [socket.Socket].
func (l *layeredListener) Accept(ctx context.Context) (socket.Endpoint, error) {
	s, err := l.accepting.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (l *layeredListener) Close() error {
	err := l.Endpoint.Close()
	l.accepting.Close()
	return err
}

// Abort implements [socket.Aborter]. What nobody has accepted is reset in any case.
func (l *layeredListener) Abort() error { return l.Close() }

// notices are what the scheme and the layers have to tell of a listener at that address.
func (st *stack) notices(listening string) (all []string) {
	if st == nil {
		return nil
	}
	if st.scheme != nil && st.scheme.Notices != nil {
		all = st.scheme.Notices(listening)
	}
	for _, p := range st.ready {
		if p.Notices != nil {
			all = append(all, p.Notices(listening)...)
			all = slices.Compact(all) // of the same layer twice
		}
	}
	return all
}

// reach is what the address of a client needs besides, an option each.
func (st *stack) reach() (options []string) {
	if st == nil {
		return nil
	}
	if st.scheme != nil && st.scheme.Reach != "" {
		options = append(options, st.scheme.Reach)
	}
	for _, p := range st.ready {
		if p.Reach != "" {
			options = append(options, p.Reach)
		}
	}
	return options
}
