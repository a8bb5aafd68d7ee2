package wait

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"
)

// An Acceptor is Accept of a listener whose connections need a handshake. It
// accepts from below while somebody waits in Accept, and at no other time: a
// connection that a listener has not been asked for stays in the queue of the
// system, where a successor of the program finds it. Handshakes that have begun
// go on meanwhile.
type Acceptor[Lower, Upper any] struct {
	// Below accepts the next connection, or returns once ctx ends.
	Below func(ctx context.Context) (Lower, error)

	// Handshake makes an Upper of a Lower, and closes it if it cannot. The
	// rest is as [Handshakes] asks of its Run.
	Handshake func(ctx context.Context, lower Lower, heard func()) (Upper, error)

	// Refuse ends a connection that stands and that nobody accepts any more.
	Refuse func(Upper)

	Peer    func(Lower) any // as that of Handshakes
	Max     int             // handshakes at once
	Timeout time.Duration   // for each

	once       sync.Once
	handshakes Handshakes[Lower]
	done       Bell          // a handshake is
	closed     chan struct{} // by Close

	mu     sync.Mutex
	ready  []Upper
	asking bool               // somebody waits in Below, or is about to
	recall context.CancelFunc // of that call
}

func (a *Acceptor[Lower, Upper]) init() {
	a.once.Do(func() {
		a.done, a.closed = NewBell(), make(chan struct{})
		a.handshakes.Run, a.handshakes.Peer = a.run, a.Peer
		a.handshakes.Max, a.handshakes.Timeout = a.Max, a.Timeout
	})
}

// Accept returns the next connection whose handshake is done, in the order of
// their ends. An error of Below is returned to one of those waiting.
func (a *Acceptor[Lower, Upper]) Accept(ctx context.Context) (Upper, error) {
	a.init()
	var none Upper
	for {
		u, ok, asks := a.take()
		switch {
		case ok:
			return u, nil
		case asks:
			if err := a.ask(ctx); err != nil {
				return none, err
			}
			continue
		}
		select {
		case <-a.closed:
			return none, net.ErrClosed
		case <-ctx.Done():
			a.done.Ring() // it may have been this call that took the last ring
			return none, ctx.Err()
		case <-a.done:
		}
	}
}

// ask accepts one connection from below, and begins its handshake. It returns
// without one when another's is done.
func (a *Acceptor[Lower, Upper]) ask(ctx context.Context) error {
	ctx, recall := context.WithCancel(ctx)
	defer recall()
	a.mu.Lock()
	defer a.mu.Unlock()
	var lower Lower
	err := context.Canceled
	if len(a.ready) == 0 && !IsClosed(a.closed) {
		a.recall = recall
		a.mu.Unlock()
		if a.handshakes.Len() >= a.Max {
			runtime.Gosched() // whoever has spoken is heard before anybody gives way
		}
		lower, err = a.Below(ctx)
		a.mu.Lock()
	}
	recalled := a.recall == nil
	a.recall, a.asking = nil, false
	a.done.Ring() // for whoever is to ask next
	switch {
	case err == nil:
		a.handshakes.Begin(lower)
	case !recalled:
		return err
	}
	return nil
}

func (a *Acceptor[Lower, Upper]) run(ctx context.Context, lower Lower, heard func()) {
	upper, err := a.Handshake(ctx, lower, heard)
	if err != nil {
		return
	}
	a.mu.Lock()
	closed := IsClosed(a.closed)
	if !closed {
		a.ready = append(a.ready, upper)
		a.interrupt()
	}
	a.mu.Unlock()
	if closed {
		a.Refuse(upper)
	}
	a.done.Ring()
}

// interrupt calls back whoever waits in Below. The caller holds mu.
func (a *Acceptor[Lower, Upper]) interrupt() {
	if a.recall != nil {
		a.recall()
		a.recall = nil
	}
}

// take returns a connection whose handshake is done, or says that the caller is
// to ask for another one below, where nobody does.
func (a *Acceptor[Lower, Upper]) take() (u Upper, ok, asks bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ready) == 0 {
		asks = !a.asking && !IsClosed(a.closed)
		a.asking = a.asking || asks
		return u, false, asks
	}
	u = a.ready[0]
	a.ready = slices.Delete(a.ready, 0, 1)
	if len(a.ready) > 0 {
		a.done.Ring()
	}
	return u, true, false
}

// Close ends every Accept with net.ErrClosed, and the handshakes with that as
// the cause, and waits for them; connections that stand are refused. The
// listener below is the caller's to close.
func (a *Acceptor[Lower, Upper]) Close() {
	a.init()
	a.mu.Lock()
	if IsClosed(a.closed) {
		a.mu.Unlock()
		return
	}
	ready := a.ready
	a.ready = nil
	close(a.closed)
	a.interrupt()
	a.mu.Unlock()
	for _, u := range ready {
		a.Refuse(u)
	}
	a.handshakes.Close()
}
