package zocalo

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"zocalo/internal/pass"
	"zocalo/socket"
)

// A Failover lets datagrams use another target where one refuses them. To
// connect a datagram socket asks nobody: that no one is there only an ICMP
// message tells, once something was sent.
type Failover struct {
	// Next connects to another target than those that have refused, or
	// returns an error where there is none.
	Next func(ctx context.Context, refused []socket.Name) (*socket.Socket, error)

	// OnMove, if not nil, is told of each target that is used in place of one
	// that refused.
	OnMove func(to socket.Name, why error)
}

// mostKept bounds what a failover keeps to send it again, in bytes; the first
// message always has room.
const mostKept = 16 << 10

// keptOverhead is what one of them counts for besides its bytes, so that empty ones do too.
const keptOverhead = 64

// Wrap returns a socket that is s until its target refuses, and then what Next
// returns. What was written before the first answer is kept, up to 16 KiB, and
// written again. Where Next fails, the refusal is the error of Read or Write.
func (f Failover) Wrap(s *socket.Socket) *socket.Socket {
	e := &failover{Failover: f, now: s, keeps: true}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return socket.Wrap(e, s.Kind())
}

// failover is the endpoint of a Failover.
type failover struct {
	Failover
	ctx    context.Context // ends when it is closed
	cancel context.CancelFunc

	moving sync.Mutex // held while another target is dialled

	mu       sync.Mutex
	now      *socket.Socket
	deadline [2]time.Time // of Read and Write
	closed   bool
	keeps    bool // there was no answer yet
	kept     [][]byte
	size     int // of what is kept
	refused  []socket.Name
}

func (f *failover) current() *socket.Socket {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Lower implements socket.Layer.
func (f *failover) Lower() socket.Endpoint { return f.current() }

// WaitRead implements socket.ReadWaiter. An error is for Read to tell.
func (f *failover) WaitRead() error {
	for {
		s := f.current()
		if err := s.WaitRead(); err == nil || f.current() == s {
			return nil
		}
	}
}

func (f *failover) Read(b []byte) (int, error) {
	for {
		s := f.current()
		n, err := s.Unwrap().Read(b)
		if err == nil || errors.Is(err, socket.ErrTruncated) {
			f.answered()
			return n, err
		}
		if !f.moved(s, err) {
			return n, err
		}
	}
}

func (f *failover) Write(b []byte) (int, error) {
	for {
		s, kept := f.keep(b)
		n, err := s.Unwrap().Write(b)
		switch {
		case err == nil || !f.moved(s, err):
			return n, err
		case kept:
			return len(b), nil // it was written again with the others
		}
	}
}

// keep keeps a message where no answer has come yet and there is room, and
// returns the socket to write it to.
func (f *failover) keep(b []byte) (s *socket.Socket, kept bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.keeps {
		return f.now, false
	}
	if len(f.kept) > 0 && f.size+len(b)+keptOverhead > mostKept {
		f.forget()
		return f.now, false
	}
	f.kept = append(f.kept, slices.Clone(b))
	f.size += len(b) + keptOverhead
	return f.now, true
}

// forget lets go of what is kept. The caller holds mu.
func (f *failover) forget() { f.keeps, f.kept, f.size = false, nil, 0 }

func (f *failover) answered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keeps || f.refused != nil {
		f.forget()
		f.refused = nil
	}
}

// moved reports whether to go on with another socket after an error of s.
func (f *failover) moved(s *socket.Socket, err error) bool {
	f.moving.Lock()
	defer f.moving.Unlock()
	f.mu.Lock()
	other, closed := f.now != s, f.closed
	if !other && !closed && pass.IsUnreachable(err) {
		f.refused = append(f.refused, s.Peer())
	}
	refused := f.refused
	f.mu.Unlock()
	switch {
	case closed:
		return false
	case other:
		return true
	case !pass.IsUnreachable(err):
		return false
	}
	next, failure := f.Next(f.ctx, refused)
	if failure != nil {
		return false
	}
	if f.OnMove != nil {
		f.OnMove(next.Peer(), err)
	}
	return f.move(next)
}

// move goes on with another socket, and writes what was kept to it.
func (f *failover) move(next *socket.Socket) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		next.Close()
		return false
	}
	last := f.now
	f.now, f.keeps = next, true
	next.SetReadDeadline(f.deadline[0])
	next.SetWriteDeadline(f.deadline[1])
	for _, b := range f.kept {
		next.Write(b) // a refusal is Read's to see
	}
	last.Close() // which ends the Read on it
	return true
}

func (f *failover) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return net.ErrClosed
	}
	f.closed = true
	f.cancel()
	return f.now.Close()
}

// Abort is Close: datagrams have no connection to reset.
func (f *failover) Abort() error { return f.Close() }

func (f *failover) SetReadDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadline[0] = t
	return f.now.SetReadDeadline(t)
}

func (f *failover) SetWriteDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadline[1] = t
	return f.now.SetWriteDeadline(t)
}

func (f *failover) Name() socket.Name { return f.current().Name() }
func (f *failover) Peer() socket.Name { return f.current().Peer() }
