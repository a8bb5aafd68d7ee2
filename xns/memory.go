package xns

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"

	"zocalo/socket/wait"
)

// memoryFrames is how many packets wait for a host in memory; more are lost.
const memoryFrames = 512

// A Segment is a network in memory, for tests. Its zero value is ready to use.
type Segment struct {
	mu       sync.RWMutex
	stations map[HostID]*station
}

type station struct {
	segment *Segment
	id      HostID
	frames  inbox
	closed  chan struct{}
	once    sync.Once
}

// Attach adds a host to the segment. EADDRINUSE says that it has the number
// already.
func (s *Segment) Attach(id HostID) (Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stations[id] != nil {
		return nil, fmt.Errorf("host %v is already in use: %w", id, syscall.EADDRINUSE)
	}
	if s.stations == nil {
		s.stations = map[HostID]*station{}
	}
	st := &station{segment: s, id: id, frames: make(inbox, memoryFrames), closed: make(chan struct{})}
	s.stations[id] = st
	return st, nil
}

func (s *station) Host() HostID { return s.id }

func (s *station) ReadFrame(b []byte) (int, error) {
	return s.frames.read(b, s.closed)
}

// WriteFrame gives EHOSTUNREACH where nobody has the number, as on a machine
// without a cable: a segment knows its hosts.
func (s *station) WriteFrame(to HostID, packet []byte) error {
	if wait.IsClosed(s.closed) {
		return net.ErrClosed
	}
	s.segment.mu.RLock()
	defer s.segment.mu.RUnlock()
	if to.isGroup() {
		for _, other := range s.segment.stations {
			if other != s {
				other.frames.put(packet)
			}
		}
		return nil
	}
	other := s.segment.stations[to]
	if other == nil {
		return syscall.EHOSTUNREACH
	}
	other.frames.put(packet)
	return nil
}

func (s *station) Close() error {
	s.once.Do(func() {
		s.segment.mu.Lock()
		delete(s.segment.stations, s.id)
		s.segment.mu.Unlock()
		close(s.closed)
	})
	return nil
}

// segments are those with a name, which stay as long as somebody is on them.
var segments struct {
	sync.Mutex
	named map[string]*Segment
}

func openMemory(_ context.Context, id HostID, name string) (Link, error) {
	segments.Lock()
	defer segments.Unlock()
	if segments.named == nil {
		segments.named = map[string]*Segment{}
	}
	s := segments.named[name]
	if s == nil {
		s = new(Segment)
		segments.named[name] = s
	}
	l, err := s.Attach(id)
	if err != nil {
		return nil, err
	}
	return &namedStation{l.(*station), name}, nil
}

type namedStation struct {
	*station
	name string
}

func (s *namedStation) Close() error {
	segments.Lock()
	defer segments.Unlock()
	s.station.Close()
	s.segment.mu.RLock()
	defer s.segment.mu.RUnlock()
	if len(s.segment.stations) == 0 && segments.named[s.name] == s.segment {
		delete(segments.named, s.name)
	}
	return nil
}
