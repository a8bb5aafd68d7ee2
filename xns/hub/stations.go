package hub

import (
	"sync"
	"time"
)

// The bounds of what a bridge remembers of stations.
const (
	mostStations = 4096
	stationLife  = 10 * time.Second // one that was silent for so long may be on the other side now
)

// stations know on which side of a bridge a station is, so that a frame which
// comes back over some other way is told from a new one, and goes round no
// more. Without a bridge all are on one side.
type stations struct {
	mu    sync.Mutex
	known map[[6]byte]*station
}

type station struct {
	ethernet bool
	last     time.Time
}

// seen notes a frame that came from a side. It reports whether that is the
// side where its sender is.
func (s *stations) seen(from [6]byte, ethernet bool) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.known[from]
	switch {
	case st == nil:
		if len(s.known) >= mostStations && !s.forget(now) {
			return true // a guess, that a loop would belie soon
		}
		if s.known == nil {
			s.known = map[[6]byte]*station{}
		}
		s.known[from] = &station{ethernet, now}
		return true
	case st.ethernet != ethernet && now.Sub(st.last) < stationLife:
		return false
	}
	st.ethernet, st.last = ethernet, now
	return true
}

// forget makes room. The caller holds mu.
func (s *stations) forget(now time.Time) (any bool) {
	for from, st := range s.known {
		if now.Sub(st.last) >= stationLife {
			delete(s.known, from)
			any = true
		}
	}
	return any
}
