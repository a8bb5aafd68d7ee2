package websocket

import "time"

// A write whose deadline has passed may leave behind a part of a message that the writer
// has been told is sent; a reader leaves answers to pings; and messages that are echoed
// one after the other are held back until the last. All of these are sent in the
// background, without a deadline, until somebody wants the turn of writing.

// takeTurn takes the turn of writing, also from a push under way.
func (e *endpoint) takeTurn() {
	if !e.writing.TryLock() {
		e.limits.Lock()
		e.waiting++
		if e.pushing && !e.forced && !e.closed.Load() {
			e.lower.SetWriteDeadline(past)
		}
		e.limits.Unlock()
		e.writing.Lock()
		e.limits.Lock()
		e.waiting--
		e.limits.Unlock()
	}
}

// giveTurn ends the turn of writing.
func (e *endpoint) giveTurn() {
	left := e.out.stuck() || e.unpushed
	e.unpushed = false
	e.writing.Unlock()
	if left {
		e.push()
	}
}

// push has what is left behind taken, by a goroutine.
func (e *endpoint) push() {
	e.limits.Lock()
	defer e.limits.Unlock()
	if !e.toPush && !e.forced && !e.closed.Load() {
		e.toPush = true
		go e.pushOut()
	}
}

func (e *endpoint) pushOut() {
	e.writing.Lock()
	e.limits.Lock()
	e.toPush = false
	may := !e.forced && !e.closed.Load()
	e.unpushed = may && e.waiting > 0 // whoever waits for the turn does it, or sees to it
	if may = may && !e.unpushed; may {
		e.pushing = true
		e.lower.SetWriteDeadline(time.Time{})
	}
	e.limits.Unlock()
	if e.unpushed {
		e.writing.Unlock()
		return
	}
	if may {
		e.flush()
		e.stopPushing()
	}
	e.giveTurn()
}

// stopPushing has the deadline of writing hold again.
func (e *endpoint) stopPushing() {
	e.limits.Lock()
	defer e.limits.Unlock()
	e.pushing = false
	if e.closed.Load() || e.forced {
		return
	}
	var deadline time.Time
	if d := e.writeDeadline.Load(); d != 0 {
		deadline = epoch.Add(time.Duration(d))
	}
	e.lower.SetWriteDeadline(deadline)
}

// heldBack is half of the time that a message is held back, at most, which is expected to be
// followed by another.
const heldBack = 500 * time.Microsecond

// pushLater has what is held back pushed if nobody writes before.
func (e *endpoint) pushLater() {
	if !e.holds.CompareAndSwap(false, true) {
		return
	}
	e.limits.Lock()
	defer e.limits.Unlock()
	switch {
	case e.closed.Load():
	case e.holding == nil:
		e.holding = time.AfterFunc(heldBack, e.pushHeld)
	default:
		e.holding.Reset(heldBack)
	}
}

// pushHeld pushes what is held back, unless it is not what was when this was called last.
func (e *endpoint) pushHeld() {
	e.holds.Store(false)
	switch n := e.batches.Load(); {
	case !e.held.Load():
	case e.seen.Swap(n) == n:
		e.push()
	default:
		e.pushLater()
	}
}
