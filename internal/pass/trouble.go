package pass

import (
	"sync"
	"time"
)

// Trouble is spoken of once for each kind of it, and again when it has not been
// there for a minute, so that what comes and goes with every connection fills no
// log. Its zero value is ready to use.
type Trouble struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const (
	troubleEnds = time.Minute
	mostKinds   = 256
)

// Begins notes trouble of a kind, and reports whether it is to be spoken of.
func (t *Trouble) Begins(kind string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.last[kind]
	if t.last == nil || !known && len(t.last) >= mostKinds {
		t.last = map[string]time.Time{}
	}
	t.last[kind] = now
	return !known || now.Sub(last) > troubleEnds
}
