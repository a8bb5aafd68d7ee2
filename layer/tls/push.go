package tls

import "time"

// A write whose deadline has passed leaves behind what was encrypted and not taken. The
// writer has been told that it is written, so it goes on its way by itself as the peer
// takes it: a goroutine writes it, without a deadline, until somebody else wants the turn
// of writing.

// takeTurn takes the turn of writing, from what was left behind as well.
func (e *endpoint) takeTurn() {
	e.limits.Lock()
	if e.pushing {
		e.lower.SetWriteDeadline(past)
	}
	e.limits.Unlock()
	e.writing.Lock()
	e.stopPushing()
}

// giveTurn ends the turn of writing.
func (e *endpoint) giveTurn() {
	if e.wire.stuck() {
		e.limits.Lock()
		if !e.closed.Load() {
			e.pushing = true
			e.lower.SetWriteDeadline(time.Time{})
			go e.push()
		}
		e.limits.Unlock()
	}
	e.writing.Unlock()
}

func (e *endpoint) push() {
	e.writing.Lock()
	defer e.writing.Unlock()
	e.limits.Lock()
	still := e.pushing
	e.limits.Unlock()
	if still {
		e.wire.flush()
		e.stopPushing()
	}
}

// stopPushing has the deadline of writing hold again. The caller has the turn of writing.
func (e *endpoint) stopPushing() {
	e.limits.Lock()
	defer e.limits.Unlock()
	if !e.pushing {
		return
	}
	e.pushing = false
	if e.closed.Load() {
		return
	}
	var deadline time.Time
	if d := e.writeDeadline.Load(); d != 0 {
		deadline = epoch.Add(time.Duration(d))
	}
	e.lower.SetWriteDeadline(deadline)
}
