package fault

import (
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"zocalo/relay"
	"zocalo/relay/join"
)

// What an item is.
type kind uint8

const (
	data      kind = iota
	end            // of what came, in order
	closing        // both ends are to be closed
	resetting      // both ends are to be reset
)

// An item is what moves along a line: a piece, or a part of one, or an end.
type item struct {
	kind   kind
	p      relay.Piece
	at     time.Duration // when it came to the station where it is
	number int64         // of a message, from 1; of bytes, the offset of the first
	waited bool          // for room
	to     net.Addr      // of a datagram, where its socket is not connected
	buf    *buffer       // what holds the data; nil where it is borrowed from whoever brought it
}

// A line is one direction of a pair.
type line struct {
	plan  *Plan
	pair  int64
	side  relay.Side
	start time.Time
	out   func(*item) error // writes, and may wait; a reset may come beside another call
	bound int               // bytes of memory
	wake  chan struct{}
	timer waiter

	mu       sync.Mutex
	changed  sync.Cond     // of what follows
	shift    time.Duration // from the plan's beginning to start
	class    Carried
	stations []*station
	ready    []item        // to be written, in order
	going    []item        // taken from ready
	readied  int           // bytes of ready
	fresh    int           // how many at the end of ready may be borrowed still
	memory   int           // bytes that buffers hold
	items    int           // that have one
	next     int64         // messages, or bytes, that came
	until    time.Duration // when the pump looks again by itself
	pumping  bool          // there is a goroutine for it
	sending  bool          // somebody writes
	finished bool          // the end has come
	ended    bool          // and has left
	reset    error         // why the pair is to be reset at once
	over     bool          // nothing passes any more
	err      error         // why
	late     time.Time     // until when to wait for room
	lateness *time.Timer   // of late
	async    bool          // whoever brings something never writes
}

const (
	// maxReady is how many bytes may be ready to be written before what is held stays where it is.
	maxReady = 256 << 10

	// lineMemory is how many bytes one direction holds at most, where the plan does not say: 400 MB/s for more than
	// 100 ms.
	lineMemory = 64 << 20
)

// newLine makes a line of what is like a piece, if that is known.
func (p *Plan) newLine(pair int64, side relay.Side, known bool, like relay.Piece, out func(*item) error) *line {
	l := &line{plan: p, pair: pair, side: side, start: time.Now(), out: out, wake: make(chan struct{}, 1), bound: p.Memory, until: forever}
	if l.bound == 0 {
		l.bound = lineMemory
	}
	l.changed.L = &l.mu
	l.timer = newWaiter(p.Precise, l.wake)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() {
		p.began, p.lines = l.start, map[*line]bool{}
	}
	l.shift = l.start.Sub(p.began)
	p.lines[l] = true
	l.mu.Lock()
	defer l.mu.Unlock()
	if known {
		l.classify(like)
	}
	l.follow(p.faults)
	return l
}

// now is the time of the line.
func (l *line) now() time.Duration { return time.Since(l.start) }

// classify notes what passes, by a piece. The caller holds mu.
func (l *line) classify(p relay.Piece) {
	switch {
	case l.class != unknown:
		return
	case p.What == join.Bytes:
		l.class = streams
	case p.What == join.Urgent: // says nothing
		return
	case p.Lossy():
		l.class = datagrams
	default:
		l.class = messages
	}
	for _, s := range l.stations {
		s.fit()
	}
}

// bring takes a piece from where it comes, and passes on at once what nothing holds. It waits while there is
// no room, unless the piece is of a kind that is dropped. The error says that nothing passes any more.
func (l *line) bring(p relay.Piece, to net.Addr) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.classify(p)
	if l.isLate() && !l.over {
		return os.ErrDeadlineExceeded
	}
	waited, err := l.awaitRoom()
	if err != nil {
		return err
	}
	it := item{p: p, number: l.next, to: to, at: l.now(), waited: waited}
	if l.class == streams {
		l.next += int64(len(p.Data))
	} else {
		l.next++
		it.number = l.next
	}
	if l.memory >= l.bound { // and must not wait
		l.plan.dropped.Add(1)
		l.tell(&it, Event{Fault: "memory", Did: Dropped})
		return nil
	}
	l.enter(it)
	return l.err
}

// awaitRoom waits for room, unless what passes is dropped where there is none. The caller holds mu.
func (l *line) awaitRoom() (waited bool, err error) {
	for !l.over && l.class != datagrams && (l.memory >= l.bound || !l.accepts(0, l.now())) {
		if l.isLate() {
			return waited, os.ErrDeadlineExceeded
		}
		if !l.pumping && !l.sending {
			l.kick()
		}
		waited = true
		l.changed.Wait()
	}
	return waited, l.err
}

func (l *line) isLate() bool { return !l.late.IsZero() && !time.Now().Before(l.late) }

// setLate sets until when those who bring something wait for room.
func (l *line) setLate(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = t
	l.changed.Broadcast()
	if l.lateness != nil {
		l.lateness.Stop()
		l.lateness = nil
	}
	if !t.IsZero() && !l.over {
		l.lateness = time.AfterFunc(time.Until(t), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.changed.Broadcast()
		})
	}
}

// finish takes the end of what came. The caller holds mu.
func (l *line) finish() {
	if !l.finished && !l.over {
		l.finished = true
		l.enter(item{kind: end, number: l.next, at: l.now()})
	}
}

// awaitEnd waits until the end has left, or nothing passes any more. The caller holds mu.
func (l *line) awaitEnd() {
	for !l.ended && !l.over {
		l.changed.Wait()
	}
}

// enter takes an item to the first station, and writes what is ready. The caller holds mu.
func (l *line) enter(it item) {
	l.give(0, it)
	l.run(it.at)
	for _, s := range l.stations {
		s.own()
	}
	if len(l.ready) > 0 && !l.sending && !l.async {
		l.send()
	} else {
		for i := max(0, len(l.ready)-l.fresh); i < len(l.ready); i++ {
			l.own(&l.ready[i])
		}
		l.fresh = 0
	}
	now := l.now()
	l.run(now) // what had no room, and what became due meanwhile: look takes no notice of it
	l.look(now)
}

// look sees to it that the pump looks again when it must, after a run at that time. The caller holds mu.
func (l *line) look(now time.Duration) {
	if next := l.due(now); next < l.until || len(l.ready) > 0 && !l.sending || l.reset != nil {
		l.kick()
	}
}

// give takes an item to a station, or to what is ready behind the last. The caller holds mu.
func (l *line) give(i int, it item) {
	if i < len(l.stations) {
		l.stations[i].come(it)
		return
	}
	l.ready = append(l.ready, it)
	l.fresh++
	l.readied += len(it.p.Data)
}

// run moves what is due. The caller holds mu.
func (l *line) run(now time.Duration) {
	for moved := true; moved; {
		moved = false
		for i, s := range l.stations {
			for s.isDue(now) && l.accepts(i+1, now) {
				l.give(i+1, s.leave())
				moved = true
			}
		}
	}
}

// accepts reports whether a station takes more: not where it is full, or holds what should have gone on. The
// caller holds mu.
func (l *line) accepts(i int, now time.Duration) bool {
	for ; i < len(l.stations); i++ {
		s := l.stations[i]
		if s.full() {
			return false
		}
		if !s.isDue(now) {
			return true
		}
	}
	return l.readied < maxReady
}

// due returns when something leaves a station next, or happens, after a run at that time. The caller holds mu.
func (l *line) due(now time.Duration) time.Duration {
	next := forever
	for _, s := range l.stations {
		if at, holds := s.first(); holds && at > now { // what is due already waits for others
			next = min(next, at)
		}
		next = min(next, s.alarm)
	}
	return next
}

// send writes what is ready. The caller holds mu, which is free meanwhile.
func (l *line) send() {
	l.sending = true
	l.going, l.ready = l.ready, l.going[:0]
	l.readied, l.fresh = 0, 0
	l.mu.Unlock()
	var err error
	for i := range l.going {
		if err = l.out(&l.going[i]); err != nil {
			break
		}
	}
	l.mu.Lock()
	for i := range l.going {
		l.ended = l.ended || err == nil && l.going[i].kind == end
		l.release(&l.going[i])
		l.going[i] = item{}
	}
	l.going = l.going[:0]
	l.sending = false
	if err != nil {
		l.fail(err)
	}
	l.changed.Broadcast()
}

// kick makes the pump look. The caller holds mu.
func (l *line) kick() {
	switch {
	case l.over:
	case !l.pumping:
		l.pumping, l.until = true, 0
		go l.pump()
	default:
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// pump moves and writes what is held, when its time comes, until nothing is to come by itself.
func (l *line) pump() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.over {
		now := l.now()
		for _, s := range l.stations {
			s.ring(now)
		}
		l.run(now)
		l.changed.Broadcast()
		if why := l.reset; why != nil {
			l.fail(why)
			l.mu.Unlock()
			l.out(&item{kind: resetting, p: relay.Piece{Why: why}})
			l.mu.Lock()
			break
		}
		if len(l.ready) > 0 && !l.sending {
			l.send()
			continue
		}
		if l.until = l.due(now); l.until == forever {
			break
		}
		wait := l.until - now
		l.mu.Unlock()
		l.timer.wait(wait)
		l.mu.Lock()
		l.until = 0
	}
	l.pumping, l.until = false, forever
	l.timer.rest()
}

// fail notes that nothing passes any more, and drops what is held. The caller holds mu.
func (l *line) fail(why error) {
	if l.over {
		return
	}
	l.over, l.err = true, why
	for _, s := range l.stations {
		s.drop()
	}
	for i := range l.ready {
		l.release(&l.ready[i])
	}
	l.ready = nil
	l.changed.Broadcast()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// stop ends the line.
func (l *line) stop() {
	l.mu.Lock()
	l.fail(net.ErrClosed)
	l.timer.close()
	if l.lateness != nil {
		l.lateness.Stop()
	}
	l.mu.Unlock()
	l.plan.mu.Lock()
	defer l.plan.mu.Unlock()
	delete(l.plan.lines, l)
}

// follow makes the stations those of the faults that hold, in their order: what a station held that is no
// more goes on at once. The caller holds mu, and the plan's.
func (l *line) follow(faults []*live) {
	old := make(map[*live]*station, len(l.stations))
	for i := len(l.stations) - 1; i >= 0; i-- {
		s := l.stations[i]
		if !slices.Contains(faults, s.live) {
			s.remove(i)
			l.stations = slices.Delete(l.stations, i, i+1) // those before it give to the next that stays
			continue
		}
		old[s.live] = s
	}
	l.stations = make([]*station, len(faults))
	for i, f := range faults {
		if l.stations[i] = old[f]; old[f] == nil {
			l.stations[i] = newStation(l, f)
		}
	}
	for i, s := range l.stations {
		if s.fault != s.live.fault {
			s.renew(i)
		}
	}
	if l.alarmed() || len(l.ready) > 0 || l.holds() {
		l.kick()
	}
}

// alarmed reports whether a station is to ring.
func (l *line) alarmed() bool {
	return slices.ContainsFunc(l.stations, func(s *station) bool { return s.alarm != forever })
}

// holds reports whether a station holds anything.
func (l *line) holds() bool { return slices.ContainsFunc(l.stations, (*station).holds) }
