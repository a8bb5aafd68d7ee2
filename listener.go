package zocalo

import (
	"context"
	"net"
	"strings"
	"sync"

	"zocalo/socket"
	"zocalo/socket/option"
)

// A Listener is the passive side of an address: one or more sockets, each
// bound to a name of it. Its methods may be called from several goroutines at
// once.
type Listener struct {
	sockets  []*socket.Socket
	settings option.Settings
	skipped  []error
	stack    *stack // nil without layers
	word     string // of the scheme

	// Of a listener with several sockets. Accept calls take turns, so that nothing is
	// accepted that nobody has asked for.
	turn   chan struct{}
	at     int              // the socket to ask next
	spare  []*socket.Socket // accepted where a layer cannot wait without accepting
	done   chan struct{}    // closed by Close
	mu     sync.Mutex       // of closed
	closed bool
}

func newListener(o *opening, sockets []*socket.Socket, skipped []error) *Listener {
	return &Listener{
		sockets: sockets, settings: o.target.Settings, skipped: skipped, stack: o.stack, word: o.word,
		turn: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// Accept returns the next connection to any of the sockets, or waits for one.
// Its options are set as the address says; a connection that does not take
// them is closed, and the error returned. No socket is favoured: those that
// have connections are asked in turn. Only a waiting call accepts: a
// connection that nobody has asked for stays in the system's queue, where a
// successor with the same sockets finds it.
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
	if err := l.settings.Apply(option.Connected, s); err != nil {
		s.Close()
		return nil, l.failed(err)
	}
	return s, nil
}

func (l *Listener) next(ctx context.Context) (*socket.Socket, error) {
	if len(l.sockets) == 1 {
		return l.sockets[0].Accept(ctx)
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, l.failed(ctx.Err())
	case <-l.done:
		return nil, l.failed(net.ErrClosed)
	}
	if l.isClosed() {
		return nil, l.failed(net.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return nil, l.failed(err)
	}
	for _, s := range l.sockets {
		if _, ok := socket.As[socket.AcceptWaiter](s); !ok {
			return l.acceptAny(ctx)
		}
	}
	for {
		for range l.sockets {
			l.at = (l.at + 1) % len(l.sockets)
			if c, ok, err := l.sockets[l.at].AcceptNow(); ok || err != nil {
				return c, err
			}
		}
		if err := l.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// wait waits until one of the sockets has a connection.
func (l *Listener) wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waited := make(chan error)
	for _, s := range l.sockets {
		go func() { waited <- s.WaitAccept(ctx) }()
	}
	err := <-waited
	cancel()
	for range l.sockets[1:] {
		<-waited
	}
	return err
}

// acceptAny accepts from all of the sockets at once. What more than one of them
// accepts is for the next call.
func (l *Listener) acceptAny(ctx context.Context) (*socket.Socket, error) {
	if len(l.spare) > 0 {
		s := l.spare[0]
		l.spare = l.spare[1:]
		return s, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type accepted struct {
		s   *socket.Socket
		err error
	}
	all := make(chan accepted)
	for _, s := range l.sockets {
		go func() {
			s, err := s.Accept(ctx)
			all <- accepted{s, err}
		}()
	}
	first := <-all
	cancel()
	for range l.sockets[1:] {
		switch other := <-all; {
		case other.err != nil:
		case first.err != nil:
			first = other
		default:
			l.spare = append(l.spare, other.s)
		}
	}
	return first.s, first.err
}

func (l *Listener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
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
	l.turn <- struct{}{} // once the last Accept has returned
	for _, s := range l.spare {
		s.Abort() // as the system does with those in its queue
	}
	l.spare = nil
	<-l.turn
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

// Notices returns what the layers of the address have to say to the person who
// opened it, a line each: as that a certificate was made up.
func (l *Listener) Notices() []string { return l.stack.notices(l.Address()) }

// Address returns the address to dial to reach the listener by the first of its names,
// with what its layers made up, as the pin of a certificate. Options that a client
// needs as well, as alpn= or the link= of spp, are the caller's to add.
func (l *Listener) Address() string {
	return strings.Join(append([]string{l.word + ":" + l.Name().String()}, l.stack.reach()...), ",")
}

// OnHandshake has f told of each connection whose layers are ready, or of why it came to
// nothing, as by a certificate that the peer did not take: then c is what was accepted
// beneath. It must be called before Accept; f may run in many goroutines at once.
func (l *Listener) OnHandshake(f func(c *socket.Socket, err error)) {
	for _, s := range l.sockets {
		if layered, ok := s.Unwrap().(*layeredListener); ok {
			layered.shook = f
		}
		if t, ok := socket.Beneath[socket.HandshakeTeller](s); ok {
			t.OnHandshake(f)
		}
	}
}

// HoldAnswers leaves it to the caller to answer peers that ask to be taken on, as a
// proxy's do ([socket.Requester]). Without it they are told before Accept returns
// them that they are where they wanted to go. It must be called before Accept.
func (l *Listener) HoldAnswers() {
	for _, s := range l.sockets {
		if layered, ok := s.Unwrap().(*layeredListener); ok {
			layered.held = true
		}
	}
}

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
