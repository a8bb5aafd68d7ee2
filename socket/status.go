package socket

import (
	"slices"
	"sync"
	"sync/atomic"
)

// A Status is how a socket stands: for one in user space, what the system's
// tables tell of its own.
type Status struct {
	// State is "listen", "connecting", "established" or "unconnected".
	State string

	// Received are the bytes that wait to be read, and Unsent those that were
	// written and are not with the peer yet, as far as that is known. Of a socket
	// that listens they are the connections that wait to be accepted and the
	// most that may.
	Received, Unsent int
}

// A StatusTeller knows how it stands. It must not wait to say so.
type StatusTeller interface {
	Status() Status
}

// Status returns how the socket stands, ok false where its kind does not tell.
// Of a kernel's socket it has the queues alone.
func (s *Socket) Status() (status Status, ok bool) {
	t, ok := As[StatusTeller](s.endpoint)
	if !ok {
		return status, false
	}
	return t.Status(), true
}

// tracked are the sockets that [Track] has asked for.
var tracked struct {
	domains atomic.Pointer[[]Domain] // nil while nobody has asked
	mu      sync.Mutex
	open    map[*Socket]struct{}
}

// Track makes [Tracked] know the sockets of these domains that are made from
// now on: for programs that show the sockets which they have in user space, as
// no table of the system's does. It holds for the whole program.
func Track(domains ...Domain) {
	domains = slices.Clone(domains)
	tracked.domains.Store(&domains)
}

// Tracked returns the sockets that [Track] has asked for and that are open.
func Tracked() []*Socket {
	tracked.mu.Lock()
	defer tracked.mu.Unlock()
	all := make([]*Socket, 0, len(tracked.open))
	for s := range tracked.open {
		all = append(all, s)
	}
	return all
}

// track notes a socket that was just made. What a layer wraps is noted beneath it.
func (s *Socket) track() {
	domains := tracked.domains.Load()
	if domains == nil || s.kind.Layers != "" || !slices.Contains(*domains, s.kind.Domain) {
		return
	}
	tracked.mu.Lock()
	if tracked.open == nil {
		tracked.open = make(map[*Socket]struct{})
	}
	tracked.open[s] = struct{}{}
	tracked.mu.Unlock()
	s.OnClose(func() {
		tracked.mu.Lock()
		delete(tracked.open, s)
		tracked.mu.Unlock()
	})
}
