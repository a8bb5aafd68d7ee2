package zocalo

import (
	"context"
	"net"
	"sync"

	"zocalo/socket"
)

// A Listener is the passive side of an address: one or more sockets, each
// bound to a name of it. Its methods may be called from several goroutines at
// once.
type Listener struct {
	sockets  []*socket.Socket
	settings socket.Settings
	skipped  []error

	// With several sockets, each has a goroutine that accepts, from the first
	// Accept on. Those that have a connection to hand over wait in the channel
	// in the order in which they came.
	accepted chan accepted
	done     chan struct{} // closed by Close
	mu       sync.Mutex    // of started and closed
	started  bool
	closed   bool
	accepts  sync.WaitGroup
}

type accepted struct {
	s   *socket.Socket
	err error
}

func newListener(o *opening, sockets []*socket.Socket, skipped []error) *Listener {
	return &Listener{
		sockets: sockets, settings: o.target.Settings, skipped: skipped,
		accepted: make(chan accepted), done: make(chan struct{}),
	}
}

// Accept returns the next connection to any of the sockets, or waits for one.
// Its options are set as the address says; a connection that does not take
// them is closed, and the error returned. No socket is favoured: those that
// have connections are asked in turn. A listener with several sockets may hold
// one connection of each that Accept has not returned yet, besides the
// system's queue; Close resets it.
//
// The end of ctx ends this call, with ctx's error, and no other; Close ends
// them all, with net.ErrClosed. For a kind without connections the error is a
// [*socket.UnsupportedError].
func (l *Listener) Accept(ctx context.Context) (*socket.Socket, error) {
	if s := l.sockets[0]; s.Type() == socket.Datagram || s.Type() == socket.Raw {
		return nil, l.failed(&socket.UnsupportedError{
			Feature: "accepting on a " + s.Kind().String() + " socket", Needs: "a kind with connections; this one sends and receives as it is, see Sockets"})
	}
	s, err := l.next(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.settings.Apply(socket.Connected, s); err != nil {
		s.Close()
		return nil, l.failed(err)
	}
	return s, nil
}

func (l *Listener) next(ctx context.Context) (*socket.Socket, error) {
	if len(l.sockets) == 1 {
		return l.sockets[0].Accept(ctx)
	}
	if !l.start() {
		return nil, l.failed(net.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return nil, l.failed(err)
	}
	select {
	case a := <-l.accepted:
		return a.s, a.err
	case <-ctx.Done():
		return nil, l.failed(ctx.Err())
	case <-l.done:
		return nil, l.failed(net.ErrClosed)
	}
}

// start starts the goroutines, once. It returns false if the listener is
// closed.
func (l *Listener) start() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.started {
		return !l.closed
	}
	l.started = true
	for _, s := range l.sockets {
		l.accepts.Go(func() { l.acceptFrom(s) })
	}
	return true
}

// acceptFrom hands over what one socket accepts. An error too waits for
// somebody to take it, so one that stays does not make it spin.
func (l *Listener) acceptFrom(s *socket.Socket) {
	for {
		c, err := s.Accept(context.Background())
		select {
		case l.accepted <- accepted{c, err}:
		case <-l.done:
			if err == nil {
				c.Abort() // as the system does with those in its queue
			}
			return
		}
	}
}

// Close closes the sockets and ends every Accept. It does nothing to
// connections that Accept has returned. The error is the first of a socket's;
// a second Close is net.ErrClosed.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return &net.OpError{Op: "close", Net: l.Addr().Network(), Addr: l.Addr(), Err: net.ErrClosed}
	}
	l.closed = true
	close(l.done)
	l.mu.Unlock()
	var first error
	for _, s := range l.sockets {
		if err := s.Close(); first == nil {
			first = err
		}
	}
	l.accepts.Wait()
	return first
}

// Sockets returns the sockets, in the order of their names; at least one. They
// belong to the listener, which closes them. Where Accept is used, only it may
// accept from them.
func (l *Listener) Sockets() []*socket.Socket { return append([]*socket.Socket(nil), l.sockets...) }

// Names returns the names that the sockets have, in their order.
func (l *Listener) Names() []socket.Name {
	names := make([]socket.Name, len(l.sockets))
	for i, s := range l.sockets {
		names[i] = s.Name()
	}
	return names
}

// Name returns the first of Names.
func (l *Listener) Name() socket.Name { return l.sockets[0].Name() }

// Addr returns Name as package net would have it.
func (l *Listener) Addr() net.Addr { return l.sockets[0].LocalAddr() }

// Skipped returns why names of the address were left out: an error for each,
// none where there is a socket for every name.
func (l *Listener) Skipped() []error { return append([]error(nil), l.skipped...) }

// NetListener returns the listener as a net.Listener, whose connections are
// *[socket.Socket], for net/http and the like. Its Addr is that of the first
// socket, and to close either closes both.
func (l *Listener) NetListener() net.Listener { return netListener{l} }

type netListener struct{ *Listener }

func (l netListener) Accept() (net.Conn, error) {
	s, err := l.Listener.Accept(context.Background())
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (l *Listener) failed(err error) error {
	return &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: err}
}
