package xns

import (
	"context"
	"errors"
	"sync"
)

// OpenHost opens a link and makes a host of it; see [OpenLink]. An empty link
// is the default one.
func OpenHost(ctx context.Context, link string, id HostID) (*Host, error) {
	if link == "" {
		link = defaultLink()
	}
	l, err := OpenLink(ctx, link, id)
	if err != nil {
		return nil, err
	}
	return NewHost(l), nil
}

// shared are the hosts that sockets of this process found by the option link.
// Each lives as long as somebody uses it.
var shared = hostTable{hosts: map[hostKey]*sharedHost{}}

type hostKey struct {
	link string
	id   HostID // zero is the process's own number, or the interface's
}

type sharedHost struct {
	key   hostKey
	ready chan struct{} // closed when host or err is known
	gone  chan struct{} // closed when the link is, too
	host  *Host
	err   error
	users int // under the table's mu; with 0 the host is on its way out
}

type hostTable struct {
	mu    sync.Mutex
	hosts map[hostKey]*sharedHost
}

// use returns the host of that number on a link, opening the link if nobody
// uses it yet. Each use must be followed by a release.
func (t *hostTable) use(ctx context.Context, key hostKey) (*sharedHost, error) {
	if key.id == processID() {
		key.id = HostID{}
	}
	for {
		s, first, leaving := t.enter(key)
		switch {
		case leaving:
			select {
			case <-s.gone:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		case first:
			l, err := OpenLink(ctx, key.link, key.id)
			if s.err = err; err == nil {
				s.host = NewHost(l)
			}
			close(s.ready)
		default:
			select {
			case <-s.ready:
			case <-ctx.Done():
				t.release(s, true)
				return nil, ctx.Err()
			}
		}
		if s.err == nil {
			return s, nil
		}
		t.release(s, true)
		if first || ctx.Err() != nil || !isContextError(s.err) {
			return nil, s.err
		}
	}
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// enter counts a user of the host, and makes the entry if there is none. A
// host that is on its way out is not counted.
func (t *hostTable) enter(key hostKey) (s *sharedHost, first, leaving bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s = t.hosts[key]
	if s == nil {
		s = &sharedHost{key: key, ready: make(chan struct{}), gone: make(chan struct{})}
		t.hosts[key] = s
		first = true
	} else if s.users == 0 {
		return s, false, true
	}
	s.users++
	return s, first, false
}

// retain counts one more user of a host, unless nobody uses it any more.
func (t *hostTable) retain(s *sharedHost) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.users == 0 {
		return false
	}
	s.users++
	return true
}

// release ends a use. The last one closes the host: in the background if it
// may be the host's own goroutine that releases, as when the end of a
// connection comes in.
func (t *hostTable) release(s *sharedHost, background bool) {
	t.mu.Lock()
	s.users--
	last := s.users == 0
	t.mu.Unlock()
	switch {
	case !last:
	case background:
		go t.leave(s)
	default:
		t.leave(s)
	}
}

func (t *hostTable) leave(s *sharedHost) {
	<-s.ready
	if s.host != nil {
		s.host.Close()
	}
	t.mu.Lock()
	delete(t.hosts, s.key)
	t.mu.Unlock()
	close(s.gone)
}
