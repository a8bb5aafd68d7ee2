package fault

import (
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"zocalo/internal/impair"
	"zocalo/relay/join"
)

// A stage is what an effect does to the items of one direction of one pair.
type stage interface {
	// take is given an item that comes while the fault holds. It holds it at the station, changes or drops it.
	take(s *station, it item)
}

// What else a stage may do.
type (
	// ringer has times of its own, without items.
	ringer interface {
		// ring is called while the fault holds, and returns when to call it again.
		ring(s *station, now time.Duration) (next time.Duration)
	}
	// leaver is told that its fault is over, or removed.
	leaver interface{ gone(s *station) }
	// adopter keeps what one before it has counted.
	adopter interface{ adopt(old stage) }
	// charger says when the first that is held leaves, once it is the first.
	charger interface {
		charge(s *station, e *entry)
		most(s *station) int // bytes held at most
	}
)

// A station is a fault in a line, with what it holds.
type station struct {
	l     *line
	live  *live
	fault *Fault // that of live when it was last looked at
	stage stage
	on    bool       // it is for this pair
	fits  bool       // it makes sense for what passes
	over  bool       // it is no more
	r     *rand.Rand // of the effect
	drawn *rand.Rand // of whether it is for the pair

	queue []entry
	head  int
	last  time.Duration // when the last that was held in order leaves
	bytes int           // of data held
	fresh int           // how many at the end of queue may be borrowed still

	coming window        // of what comes
	held   window        // as ring saw it last
	alarm  time.Duration // when to ring
	told   bool          // of something that is done to each read of a stream
}

// A window is a time in which a fault holds.
type window struct {
	open         bool
	since, until time.Duration
}

// An entry is an item that is held.
type entry struct {
	item
	due     time.Duration
	charged bool
	part    int // bytes of it that leave then, if less than all
	left    int // of Reorder: how many are still to overtake it
}

func newStation(l *line, f *live) *station {
	side := int(l.side)
	s := &station{l: l, live: f,
		r:     impair.New(l.plan.Seed, l.pair, side, f.name),
		drawn: impair.New(l.plan.Seed, l.pair, 0, f.name+"/pairs")} // one draw for both directions
	s.begin()
	return s
}

// begin makes the stage.
func (s *station) begin() {
	f := s.live.fault
	share := f.Share
	if share == 0 {
		share = 1
	}
	drawn := impair.Chance(s.drawn, share)
	s.on = drawn && f.Direction.has(s.l.side) && f.forPair(s.l.pair)
	s.fault, s.stage, s.last, s.alarm = f, f.Effect.start(), 0, forever
	s.coming, s.held = window{}, window{}
	if s.on {
		s.alarm = 0
	}
	s.fit()
}

// fit sees whether the effect makes sense for what passes.
func (s *station) fit() {
	why := ""
	if s.l.class != unknown {
		why = s.fault.Effect.senseless(s.l.class)
	}
	if s.fits = why == ""; !s.fits && s.on {
		s.live.warn(s.l.plan, s.l.class, why)
	}
}

// renew makes the station do what its fault is now, to what it holds too.
func (s *station) renew(i int) {
	old, queue := s.stage, s.queue[s.head:]
	s.queue, s.head, s.bytes = nil, 0, 0
	s.begin()
	if a, ok := s.stage.(adopter); ok {
		a.adopt(old)
	}
	_, charges := s.stage.(charger)
	now := s.l.now()
	for _, e := range queue {
		if charges { // from now on, or the time that it has waited would be free
			e.at = max(e.at, now)
		}
		s.l.give(i, e.item)
	}
}

// remove takes the station out of use: what it holds goes on.
func (s *station) remove(i int) {
	s.over = true
	now := s.l.now()
	if l, ok := s.stage.(leaver); ok && s.window(now).open {
		l.gone(s)
	}
	for s.holds() {
		it := s.leave()
		it.at = now
		s.l.give(i+1, it)
	}
}

// window is when the fault holds, or does not, at a time of the line.
func (s *station) window(at time.Duration) window {
	if !s.on || !s.fits {
		return window{until: forever}
	}
	t := &s.fault.Timing
	shift := time.Duration(0)
	if t.Together {
		shift = s.l.shift
	}
	open, since, until := t.at(at + shift)
	if until != forever {
		until -= shift
	}
	return window{open, since - shift, until}
}

// come takes an item.
func (s *station) come(it item) {
	if it.at >= s.coming.until {
		s.coming = s.window(it.at)
	}
	if !s.coming.open || !s.fits {
		s.hold(it, it.at)
		return
	}
	s.stage.take(s, it)
}

// ring sees to what has its time without items, and to the beginning and end of the fault.
func (s *station) ring(now time.Duration) {
	if now < s.alarm {
		return
	}
	was, w := s.held, s.window(now)
	timed := s.fault.Timing != (Timing{})
	if was.open && was.until <= now {
		if l, ok := s.stage.(leaver); ok {
			l.gone(s)
		}
		s.tell(nil, Event{Did: Ended, At: was.until})
	}
	if timed && w.open && !(was.open && was.since == w.since) {
		s.tell(nil, Event{Did: Began, At: w.since})
	}
	s.held, s.alarm = w, w.until
	if r, ok := s.stage.(ringer); ok && w.open {
		s.alarm = min(s.alarm, r.ring(s, now))
	}
}

// hold keeps an item until its time, behind those before it.
func (s *station) hold(it item, due time.Duration) {
	s.last = max(due, it.at, s.last)
	s.push(entry{item: it, due: s.last})
}

func (s *station) push(e entry) {
	if s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	} else if s.head > 64 && s.head > len(s.queue)/2 {
		s.queue = slices.Delete(s.queue, 0, s.head)
		s.head = 0
	}
	s.queue = append(s.queue, e)
	s.fresh++
	s.bytes += len(e.p.Data)
}

// holdLoose keeps an item until its time, whatever others there are. What leaves last is not before it.
func (s *station) holdLoose(e entry) {
	s.last = max(s.last, e.due)
	if s.head == len(s.queue) || s.queue[len(s.queue)-1].due <= e.due {
		s.push(e)
		return
	}
	s.l.own(&e.item)
	i := s.head + sort.Search(len(s.queue)-s.head, func(i int) bool { return s.queue[s.head+i].due > e.due })
	s.queue = slices.Insert(s.queue, i, e)
	s.fresh++
	s.bytes += len(e.p.Data)
}

func (s *station) holds() bool { return s.head < len(s.queue) }

// first returns when the first that is held leaves.
func (s *station) first() (time.Duration, bool) {
	if s.head == len(s.queue) {
		return 0, false
	}
	e := &s.queue[s.head]
	if c, ok := s.stage.(charger); ok && !e.charged {
		c.charge(s, e)
		e.charged = true
	}
	return e.due, true
}

func (s *station) isDue(now time.Duration) bool {
	at, holds := s.first()
	return holds && at <= now
}

// full reports whether the stage holds as much as it may.
func (s *station) full() bool {
	c, ok := s.stage.(charger)
	return ok && s.l.class != datagrams && s.bytes >= c.most(s)
}

// leave takes the first that is held, or the part of it that leaves.
func (s *station) leave() item {
	e := &s.queue[s.head]
	at := max(e.due, e.at)
	if at == forever {
		at = s.l.now()
	}
	if e.part > 0 && e.part < len(e.p.Data) && !s.over {
		first := s.l.split(&e.item, e.part)
		s.bytes -= e.part
		e.at, e.charged, e.part = at, false, 0
		first.at = at
		return first
	}
	it := e.item
	it.at = at
	s.bytes -= len(it.p.Data)
	*e = entry{}
	s.head++
	return it
}

// own copies what is borrowed of what is held. It stands among what came since the last call, with what has a
// buffer already.
func (s *station) own() {
	for i := max(s.head, len(s.queue)-s.fresh); i < len(s.queue); i++ {
		s.l.own(&s.queue[i].item)
	}
	s.fresh = 0
}

// drop lets go of all that is held.
func (s *station) drop() {
	for ; s.head < len(s.queue); s.head++ {
		s.l.release(&s.queue[s.head].item)
	}
	s.queue, s.head, s.bytes = nil, 0, 0
}

// lose drops an item that has come.
func (s *station) lose(it item, what Event) {
	s.tell(&it, what)
	s.l.release(&it)
}

// isPlain reports whether it is data that may be changed.
func (it *item) isPlain() bool { return it.kind == data && it.p.What != join.Urgent }

// tell tells of what the fault did to an item.
func (s *station) tell(it *item, e Event) {
	if s.l.plan.Log == nil {
		return
	}
	e.Fault = s.live.name
	if e.Did == Dropped || e.Did == Held || e.Did == Delayed {
		e.Loose = (e.Loose || s.told) && s.l.class == streams
		s.told = true
	}
	s.l.tell(it, e)
}
