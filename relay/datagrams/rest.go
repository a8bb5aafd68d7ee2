package datagrams

import (
	"io"
	"slices"
	"sync"
	"time"
)

// restTime is for how long the port of a session that gave way is not used
// again: an answer that was on its way to that session would reach another peer,
// through whose far socket the system has given the port. One that ended since it
// was idle has rested already.
const restTime = 5 * time.Second

// A Resting closes the far sockets of sessions later, and those that have rested
// longest now where there are more than Most.
type Resting struct {
	Most int // 0 or less is none

	mu     sync.Mutex
	far    []*io.Closer // the oldest first
	closed bool
}

// Put makes a far socket rest.
func (r *Resting) Put(far io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := &far // a descriptor that is closed may be another's next
	if r.far = append(r.far, x); len(r.far) > r.Most || r.closed {
		(*r.far[0]).Close()
		r.far = slices.Delete(r.far, 0, 1)
	}
	if len(r.far) == 0 {
		return
	}
	time.AfterFunc(restTime, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if i := slices.Index(r.far, x); i >= 0 {
			r.far = slices.Delete(r.far, i, i+1)
			far.Close()
		}
	})
}

// Close closes them all, and those that come later at once.
func (r *Resting) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, x := range r.far {
		(*x).Close()
	}
	r.far = nil
}
