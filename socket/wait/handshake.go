package wait

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// ErrGaveWay is the cause of a handshake's end where newer ones needed its
// place.
var ErrGaveWay = errors.New("too many handshakes are in progress: this one gave way to a newer one")

// Handshakes are those of the connections that one listener has accepted. They
// run side by side, each in a goroutine of its own, bounded in number and time.
// The zero value of what follows the fields is ready.
//
// Where all places are taken, one gives way to a newcomer: of the peer that has
// most of them, the oldest that has said nothing yet, else its oldest. So what
// a single peer leaves unfinished never takes the place of another's.
type Handshakes[Lower any] struct {
	// Run makes one connection of lower, which is its own to close from then
	// on, whatever happens. It calls heard once the peer has said something,
	// and returns soon after ctx ends, of which context.Cause tells why:
	// net.ErrClosed, and the peer may be told so; os.ErrDeadlineExceeded; or
	// ErrGaveWay, and nothing is to be waited for.
	Run func(ctx context.Context, lower Lower, heard func())

	// Peer tells whose a connection is, as a comparable value: for IP the
	// address without the port.
	Peer func(Lower) any

	Max     int           // that run at once
	Timeout time.Duration // for each

	mu      sync.Mutex
	flying  []*handshake // the oldest first
	closed  bool
	running sync.WaitGroup
}

type handshake struct {
	peer  any
	heard bool
	end   context.CancelCauseFunc
}

// Begin starts the handshake of a connection. After Close it runs with a context
// that has ended.
func (h *Handshakes[Lower]) Begin(lower Lower) {
	ctx, end := context.WithCancelCause(context.Background())
	one := &handshake{peer: h.Peer(lower), end: end}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		end(net.ErrClosed)
		go h.Run(ctx, lower, func() {})
		return
	}
	if len(h.flying) >= h.Max {
		i := h.toGiveWay(one.peer)
		h.flying[i].end(ErrGaveWay)
		h.flying = slices.Delete(h.flying, i, i+1)
	}
	h.flying = append(h.flying, one)
	h.running.Go(func() {
		defer end(nil)
		defer h.forget(one)
		ctx, stop := context.WithTimeoutCause(ctx, h.Timeout, os.ErrDeadlineExceeded)
		defer stop()
		h.Run(ctx, lower, func() {
			h.mu.Lock()
			one.heard = true
			h.mu.Unlock()
		})
	})
}

// toGiveWay chooses who makes room for a connection of that peer.
func (h *Handshakes[Lower]) toGiveWay(newcomer any) int {
	of := map[any]int{newcomer: 1}
	for _, one := range h.flying {
		of[one.peer]++
	}
	most := 0
	for _, one := range h.flying {
		most = max(most, of[one.peer])
	}
	crowd := func(one *handshake) bool { return of[one.peer] == most }
	i := slices.IndexFunc(h.flying, func(one *handshake) bool { return crowd(one) && !one.heard })
	if i < 0 {
		i = slices.IndexFunc(h.flying, crowd)
	}
	return i
}

func (h *Handshakes[Lower]) forget(one *handshake) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(h.flying, one); i >= 0 {
		h.flying = slices.Delete(h.flying, i, i+1)
	}
}

// Len returns how many are being made.
func (h *Handshakes[Lower]) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.flying)
}

// Close ends all handshakes, and waits until they have.
func (h *Handshakes[Lower]) Close() {
	h.mu.Lock()
	h.closed = true
	for _, one := range h.flying {
		one.end(net.ErrClosed)
	}
	h.mu.Unlock()
	h.running.Wait()
}
