package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"zocalo/internal/accept"
	"zocalo/internal/pass"
	"zocalo/socket"
)

// A Listener is a source of connections, such as a passive *[socket.Socket].
type Listener interface {
	// Accept waits for the next connection. The end of ctx, and Close, end
	// the call at once.
	Accept(ctx context.Context) (*socket.Socket, error)
	Close() error
	// Name is where it listens, for messages.
	Name() socket.Name
}

// DefaultMaxConns is how many connections a [Server] serves at once where
// MaxConns does not say.
const DefaultMaxConns = 10_000

// DefaultDrain is how long what is open may go on where Drain does not say.
const DefaultDrain = pass.DefaultDrain

// A Server gives each connection that it accepts to a handler. Only Handler is
// needed. The fields must not change once Serve was called.
type Server struct {
	// Handler serves one connection, in a goroutine of its own. The server
	// closes the socket when it returns.
	//
	// ctx carries the values of Serve's and outlives it: it ends when the
	// time to drain is over, or by Abort. By then the socket is closed, so
	// that a handler which waits for it alone need not look at ctx. Serve
	// waits for every handler, so each must return then. A handler's panic is
	// not caught: it ends the program, as elsewhere in Go.
	Handler func(ctx context.Context, c *socket.Socket)

	// Begin takes the place of Handler where a connection may go on without a
	// goroutine of its own: it is served until over is called, which must be once,
	// also after Begin has returned.
	Begin func(ctx context.Context, c *socket.Socket, over func())

	// MaxConns bounds the connections served at once by one call of Serve,
	// over all its listeners; 0 means DefaultMaxConns, negative no bound. At
	// the bound the server stops accepting, and clients wait in the system's
	// queue. None is accepted only to be dropped.
	MaxConns int

	// MaxConnsPerPeer bounds those of a single peer: an IPv4 address, the /64 of an
	// IPv6 address, a user over unix sockets. One more is reset. 0 is a tenth of
	// MaxConns, but at least 8 where others have a place besides, and no bound where
	// the listeners are on loopback or of the domain unix; negative is no bound.
	MaxConnsPerPeer int

	// Drain is how long open connections may go on once Serve's context has
	// ended. What is open after it is ended by a reset, so that no peer takes
	// a stream cut short for one that is complete. 0 means DefaultDrain; negative
	// waits for as long as they take. A nanosecond ends them at once.
	Drain time.Duration

	// Allow, if not nil, turns away every peer that is not in it, and Deny
	// every peer that is. Deny wins. A peer turned away is reset. A list that
	// knows nothing of a listener's peers is refused.
	Allow, Deny *List

	// OnFailure, if not nil, is told of a listener that failed for good, when Serve
	// begins to end for it.
	OnFailure func(error)

	// Log is told what a person who runs the server wants to know; nil
	// discards that.
	Log *slog.Logger

	abort   pass.Abort
	mu      sync.Mutex // of MaxConns once it serves, and of running
	running map[*serving]struct{}
}

// SetMaxConns changes MaxConns, also while it serves. Connections that are open
// stay, even if they are more.
func (s *Server) SetMaxConns(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.MaxConns = n
	for r := range s.running {
		r.conns.become(s.Places())
	}
}

// begins makes a call of Serve one of those that SetMaxConns reaches, until ends.
func (s *Server) begins(r *serving, accepting context.Context) (most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most = s.Places()
	r.conns.init(accepting, most)
	if s.running == nil {
		s.running = map[*serving]struct{}{}
	}
	s.running[r] = struct{}{}
	return most
}

func (s *Server) ends(r *serving) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, r)
}

// Serve accepts connections on all listeners until ctx ends. Then it closes
// the listeners, so that what was not accepted yet is refused, lets open
// connections finish for the time Drain, ends those that are left, and returns
// when every handler has returned: nil where nothing failed.
//
// A listener that fails for good ends Serve in the same way, with that error.
// Errors that accept(2) calls temporary are no failures: what concerns one
// connection only is passed over, and while descriptors or memory are out
// Serve pauses, from 5 ms up to 1 s at a time, and says so once.
//
// Serve closes the listeners in every case, also when it refuses to begin.
func (s *Server) Serve(ctx context.Context, listeners ...Listener) error {
	r := &serving{Server: s, log: logger(s.Log)}
	if err := s.check(listeners); err != nil {
		r.close(listeners)
		return err
	}
	accept.StartPoller()
	accepting, stop := context.WithCancel(ctx)
	defer stop()
	handling, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	r.handling = handling
	most := s.begins(r, accepting)
	defer s.ends(r)
	var sockets []*socket.Socket
	for _, l := range listeners {
		sockets = append(sockets, SocketsOf(l)...)
	}
	r.perPeer = accept.NewPerPeer(s.MaxConnsPerPeer, most, sockets...)

	failed := make(chan error, len(listeners))
	var loops sync.WaitGroup
	for _, l := range listeners {
		r.screen(accepting, l)
		loops.Go(func() {
			if err := r.accept(accepting, l); err != nil {
				failed <- fmt.Errorf("listener %v failed, and serving ended: %w", l.Name(), err)
				stop()
				if s.OnFailure != nil {
					s.OnFailure(err)
				}
			}
		})
	}
	select {
	case <-accepting.Done():
	case <-s.abort.Done():
		stop()
	}
	r.close(listeners)
	loops.Wait()

	r.drain()
	end()
	r.handlers.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// Abort ends Serve without the time to drain: for the second signal of an
// impatient user. It does not wait for Serve to return. The server cannot
// serve again.
func (s *Server) Abort() { s.abort.Now() }

// Aborted returns a channel that is closed once Abort was called.
func (s *Server) Aborted() <-chan struct{} { return s.abort.Done() }

func (s *Server) check(listeners []Listener) error {
	switch {
	case s.Handler == nil && s.Begin == nil:
		return errors.New("serve: the server has no Handler: set one")
	case len(listeners) == 0:
		return errors.New("serve: no listener was given: give at least one")
	}
	for _, l := range listeners {
		if err := (Lists{s.Allow, s.Deny}).Apply(SocketsOf(l)...); err != nil {
			return err
		}
	}
	return nil
}

// Places returns how many connections may be open at once: MaxConns, or its default.
func (s *Server) Places() int {
	if s.MaxConns == 0 {
		return DefaultMaxConns
	}
	return s.MaxConns
}

// serving is one call of Serve.
type serving struct {
	*Server
	log      *slog.Logger
	handling context.Context // of the handlers
	conns    connections
	perPeer  *accept.PerPeer
	handlers sync.WaitGroup
	shortage accept.Shortage
}

// serve starts the handler of an admitted connection.
func (r *serving) serve(c *socket.Socket, peer *accept.Peer) {
	r.handlers.Add(1)
	over := func() {
		c.Close()
		r.conns.remove(c)
		r.perPeer.Leave(peer)
		r.handlers.Done()
	}
	go func() {
		if r.Begin != nil {
			r.Begin(r.handling, c, over)
			return
		}
		defer over()
		r.Handler(r.handling, c)
	}()
}

// drain waits for the handlers as long as Drain allows, then ends the
// connections that are left. Nothing is accepted any more.
func (r *serving) drain() {
	r.LetFinish(closedAfter(r.handlers.Wait), r.conns.abort)
}

// LetFinish gives what is open the time Drain, or until Abort, to end by itself,
// which done tells of, and then has the rest reset. reset returns how many
// connections that were.
func (s *Server) LetFinish(done <-chan struct{}, reset func() int) {
	if pass.Drain(s.Drain, done, &s.abort) {
		return
	}
	if n := reset(); n > 0 {
		logger(s.Log).Warn("connections were reset, since the server ends", "connections", n, "drain", s.Drain.Round(time.Millisecond))
	}
}

// closedAfter returns a channel that is closed when wait has returned.
func closedAfter(wait func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait()
	}()
	return done
}

func (r *serving) close(listeners []Listener) {
	for _, l := range listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			r.log.Warn("closing a listener failed", "listener", l.Name(), "error", err)
		}
	}
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
