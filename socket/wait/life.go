package wait

import (
	"context"
	"net"
	"sync"
	"time"
)

// A Life is what ends the calls of an endpoint: its Close, and a deadline for
// each direction. An endpoint that embeds one has the methods that
// [socket.Endpoint] asks for. Init makes it ready.
type Life struct {
	mu          sync.Mutex
	closed      chan struct{}
	read, write Deadline
}

// Init makes the life begin, without deadlines.
func (l *Life) Init() {
	l.closed = make(chan struct{})
	l.read.Init()
	l.write.Init()
}

// End marks the endpoint closed. The second time it returns net.ErrClosed.
func (l *Life) End() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Ended() {
		return net.ErrClosed
	}
	close(l.closed)
	l.read.Set(time.Time{}) // stops the timers
	l.write.Set(time.Time{})
	return nil
}

// Ended reports whether End was called.
func (l *Life) Ended() bool { return IsClosed(l.closed) }

// SetReadDeadline is that of an endpoint.
func (l *Life) SetReadDeadline(t time.Time) error { return l.set(&l.read, t) }

// SetWriteDeadline is that of an endpoint.
func (l *Life) SetWriteDeadline(t time.Time) error { return l.set(&l.write, t) }

func (l *Life) set(d *Deadline, t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Ended() {
		return net.ErrClosed
	}
	d.Set(t)
	return nil
}

// ReadLimits are what may end a call that reads.
func (l *Life) ReadLimits(ctx context.Context) Limits { return Limits{ctx, l.closed, &l.read} }

// WriteLimits are what may end a call that writes.
func (l *Life) WriteLimits(ctx context.Context) Limits { return Limits{ctx, l.closed, &l.write} }
