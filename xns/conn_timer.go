package xns

import "time"

// The times of a connection besides those that options give.
const (
	ackDelay       = 20 * time.Millisecond
	connectFirst   = 2 * time.Second // repeated slowly: each may make a connection there
	connectLongest = 8 * time.Second
	connectLimit   = 75 * time.Second
	answerFirst    = time.Second
	answerLongest  = 16 * time.Second
	persistFirst   = time.Second
	persistLongest = time.Minute
	keepaliveTries = 8
)

// timers are when a connection has to do something if nothing happens before;
// 0 is never. Times are since the epoch.
type timers struct {
	epoch time.Time
	timer *time.Timer
	armed time.Duration

	resend, ack, persist, alive, closing, handshake time.Duration

	persists, alives, handshakes int // how often already
}

func (t *timers) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// now is the time since the epoch, never 0.
func (c *conn) now() time.Duration { return time.Since(c.timers.epoch) }

// arm makes the timer go off when the first thing is to be done. One that goes
// off too early arms itself again, so that it is seldom moved. The caller
// holds mu.
func (c *conn) arm() {
	t := &c.timers
	var first time.Duration
	for _, at := range [...]time.Duration{t.resend, t.ack, t.persist, t.alive, t.closing, t.handshake} {
		if at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	if c.state == dead || first == 0 || t.armed != 0 && t.armed <= first {
		return
	}
	t.armed = first
	wait := max(first-c.now(), 0)
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, c.fire)
	} else {
		t.timer.Reset(wait)
	}
}

// fire does what is due.
func (c *conn) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.timers
	t.armed = 0
	now := c.now()
	due := func(at time.Duration) bool { return c.state != dead && at != 0 && at <= now }
	if due(t.closing) {
		c.die(nil)
	}
	if due(t.handshake) {
		c.repeatHandshake(now)
	}
	if due(t.resend) {
		c.resend()
	}
	if due(t.persist) {
		c.probe(&t.persist, &t.persists, c.config.tries, min(persistFirst<<min(t.persists, 8), persistLongest))
	}
	if due(t.alive) {
		if quiet := now - c.lastSeen; quiet < c.config.keepalive {
			t.alive, t.alives = c.lastSeen+c.config.keepalive, 0
		} else {
			c.probe(&t.alive, &t.alives, keepaliveTries, c.config.keepalive)
		}
	}
	if due(t.ack) {
		c.sendSystem(0)
	}
	c.arm()
}

// probe asks the peer for an acknowledgement, which says how much it takes and
// that it is there. The caller holds mu.
func (c *conn) probe(at *time.Duration, times *int, most int, wait time.Duration) {
	if *times >= most {
		c.timedOut()
		return
	}
	*times++
	*at = c.now() + wait
	c.sendSystem(ControlSendAck)
}

// armPersist sees to it that a peer that takes no more is asked whether it
// does: the packet that said so may be lost. The caller holds mu.
func (c *conn) armPersist() {
	s, t := &c.send, &c.timers
	if c.state != established || s.next == s.end || s.una != s.max || !before(s.alloc, s.next) {
		t.persist = 0
		return
	}
	if t.persist == 0 {
		t.persist = c.now() + persistFirst
	}
}

// repeatHandshake asks again, or answers again. The caller holds mu.
func (c *conn) repeatHandshake(now time.Duration) {
	t := &c.timers
	t.handshakes++
	switch {
	case c.state == connecting && now > connectLimit:
		c.timedOut()
	case c.state == connecting:
		t.handshake = min(now+min(connectFirst<<min(t.handshakes, 8), connectLongest), connectLimit+1) // the epoch is 1 ns ago
		c.sendSystem(ControlSendAck)
	case c.state == responding && t.handshakes > c.config.tries/2: // half-open ones must not last
		c.die(nil)
	case c.state == responding:
		t.handshake = now + min(answerFirst<<min(t.handshakes, 8), answerLongest)
		c.sendSystem(ControlSendAck)
	default:
		t.handshake = 0
	}
}

// seen takes in that the peer is there. The caller holds mu.
func (c *conn) seen() {
	c.lastSeen = c.now()
	c.timers.alives, c.timers.persists = 0, 0
}
