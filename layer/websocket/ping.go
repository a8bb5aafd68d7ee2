package websocket

import "time"

// A pinging asks a silent peer whether it is still there.
type pinging struct {
	every time.Duration // and how long an answer may take; 0 asks nothing
	timer *time.Timer
}

// startPinging begins it, before the endpoint is anybody else's.
func (e *endpoint) startPinging() {
	if p := &e.pinging; p.every > 0 {
		e.limits.Lock()
		defer e.limits.Unlock()
		p.timer = time.AfterFunc(p.every, e.ping)
	}
}

// ping sends a ping to a peer that has been silent, or ends the connection of one that has
// not answered. Nothing is held against a peer while nobody here reads, or while it takes
// nothing: its answer may be on its way. Nor is anything after our Close frame, behind which
// pings are not answered.
func (e *endpoint) ping() {
	p, in := &e.pinging, &e.reader.in
	next := p.every
	asked, heard, asks, at := e.out.pinged.Load(), in.heard.Load(), in.asks.Load(), now()
	switch {
	case e.peerClosed.Load(), e.out.ended.Load():
		return
	case asked > heard && asks > 0:
		next = p.every - time.Duration(at-max(asked, asks))
		if next <= 0 {
			e.breaks(&silentError{p.every})
			return
		}
	case asked > heard: // nobody reads
	case time.Duration(at-heard) < p.every:
		next = p.every - time.Duration(at-heard)
	case e.writing.TryLock():
		idle := len(e.out.out) == 0
		e.giveTurn()
		if idle {
			e.out.leavePing()
			e.push()
		}
	}
	e.limits.Lock()
	defer e.limits.Unlock()
	if !e.closed.Load() {
		p.timer.Reset(next)
	}
}

// breaks ends the calls of a connection that is no longer usable.
func (e *endpoint) breaks(err error) {
	e.broken.CompareAndSwap(nil, &err)
	e.limits.Lock()
	defer e.limits.Unlock()
	e.forced = true
	if !e.closed.Load() {
		e.lower.SetDeadline(past)
	}
}
