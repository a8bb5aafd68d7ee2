package process

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/pass"
	"zocalo/server"
	"zocalo/socket"
)

// A Gate lets one connection after the other in, each when the one before has its
// program. So while none can be started, for want of descriptors or processes,
// clients wait in the system's queue, and what they would need here is left for
// programs. The zero value is an open one.
type Gate struct {
	mu      sync.Mutex
	waiting *socket.Socket // the one that was let in
	open    chan struct{}  // closed when it has its program, or has ended; nil while the gate is open
	trouble pass.Trouble   // that no program can be started
}

// Before returns a listener that accepts from l as fast as programs can be
// started. All its connections must be closed, or named to Started.
func (g *Gate) Before(l server.Listener) server.Listener { return &gated{l, g} }

type gated struct {
	server.Listener
	gate *Gate
}

func (g *gated) Accept(ctx context.Context) (*socket.Socket, error) {
	if err := g.gate.wait(ctx); err != nil {
		return nil, err
	}
	c, err := g.Listener.Accept(ctx)
	if err == nil {
		g.gate.enters(c)
	}
	return c, err
}

// Sockets are those of the listener beneath: on what they listen decides about the
// bounds of a single peer.
func (g *gated) Sockets() []*socket.Socket { return server.SocketsOf(g.Listener) }

// Refused is called by a server: the next one need not wait for the reset.
func (g *gated) Refused(c *socket.Socket) { g.gate.Started(c) }

// wait waits until the gate is open.
func (g *Gate) wait(ctx context.Context) error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open == nil {
		return ctx.Err()
	}
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *Gate) enters(c *socket.Socket) {
	g.mu.Lock()
	g.waiting, g.open = c, make(chan struct{})
	g.mu.Unlock()
	c.OnClose(func() { g.Started(c) })
}

// Started says that c has its program, or never will, and opens the gate if c holds it closed.
func (g *Gate) Started(c *socket.Socket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting == c && c != nil {
		close(g.open)
		g.waiting, g.open = nil, nil
	}
}

// Tell says that clients wait since no program can be started, once while that
// lasts.
func (g *Gate) Tell(log *slog.Logger, err error) {
	if g.trouble.Begins("", time.Now()) {
		log.Warn("no program can be started, so clients wait: raise the limits (ulimit -n, ulimit -u), or run fewer programs at once", "error", err)
	}
}

// Short reports whether err, of starting a program, says that the system is short
// of descriptors, processes or memory.
func Short(err error) bool {
	return pass.IsShortage(err) || errors.Is(err, syscall.EAGAIN)
}
