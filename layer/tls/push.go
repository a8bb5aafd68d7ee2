package tls

import "time"

// A write whose deadline passes may leave encrypted records behind that the writer counts as
// written. A goroutine sends them, without a deadline, until the next call that writes takes
// over.

// takeTurn locks writing, and interrupts push if it holds it.
func (e *endpoint) takeTurn() {
	e.waiting.Add(1)
	e.limits.Lock()
	if e.pushing {
		e.lower.SetWriteDeadline(past)
	}
	e.limits.Unlock()
	e.writing.Lock()
	e.waiting.Add(-1)
	e.stopPushing()
}

// giveTurn unlocks writing, and starts push if records were left behind. Whoever waits
// for the turn sends them first: behind a push without a deadline that one's own would
// never end its wait.
func (e *endpoint) giveTurn() {
	if e.wire.stuck() {
		e.limits.Lock()
		if !e.closed.Load() && e.waiting.Load() == 0 {
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

// stopPushing restores the write deadline. The caller holds writing.
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
