package fault

import (
	"fmt"
	"slices"
	"time"

	"zocalo/internal/impair"
	"zocalo/relay"
	"zocalo/relay/join"
)

// segment is how many bytes of a stream are lost, or corrupted, at a time: those of a TCP segment over
// Ethernet with timestamps.
const segment = 1448

type latencyStage struct {
	e     Latency
	delay impair.Delay
}

func (e Latency) start() stage {
	d := impair.Delay{Mean: e.Mean, Jitter: e.Jitter, Shape: e.Shape, Correlation: e.Correlation}
	if len(e.Samples) > 0 {
		d.Samples = append(d.Samples, e.Samples...)
		impair.SortSamples(d.Samples)
	}
	return &latencyStage{e: e, delay: d}
}

func (t *latencyStage) take(s *station, it item) {
	d := t.delay.Next(s.r)
	stream := s.l.class == streams
	if it.kind == data {
		s.tell(&it, Event{Did: Delayed, Delay: d})
	}
	if t.e.Reorder && !stream && it.kind == data {
		s.holdLoose(entry{item: it, due: it.at + d})
		return
	}
	s.hold(it, it.at+d)
}

type rateStage struct {
	e      Rate
	shaper impair.Shaper
	told   bool

	// catching says that the sender would have been earlier, had it not waited for room: what a busy machine
	// has delayed the line is made up for.
	catching bool
	came     time.Duration // the last that did
}

const (
	mostCatching = 200 * time.Millisecond
	pauses       = 20 * time.Millisecond // a sender that paused so long had nothing
)

func (e Rate) start() stage {
	burst := e.Burst
	if burst == 0 {
		burst = e.Bytes / 100
	}
	return &rateStage{e: e, shaper: impair.Shaper{Rate: e.Bytes, Burst: burst}}
}

func (t *rateStage) take(s *station, it item) {
	if it.kind == data && s.l.class == datagrams && s.bytes+len(it.p.Data) > t.most(s) {
		s.l.plan.dropped.Add(1)
		s.lose(it, Event{Did: Dropped})
		return
	}
	if it.kind == data && !t.told {
		t.told = true
		s.tell(&it, Event{Did: Slowed})
	}
	s.hold(it, it.at)
}

func (t *rateStage) most(s *station) int {
	most, share := t.e.Queue, int64(50)
	if s.l.class == datagrams {
		share = 10
	}
	if most == 0 {
		most = max(64<<10, t.e.Bytes/share)
	}
	return int(most)
}

// portions are how many of a rate's are passed on in a second at least.
const portions = 200

func (t *rateStage) charge(s *station, e *entry) {
	n := len(e.p.Data)
	if s.l.class == streams && e.p.What == join.Bytes {
		n = min(n, int(max(t.e.Bytes/portions, 1)))
	}
	w, late := s.window(e.at), time.Duration(0)
	if !w.open || e.kind != data {
		e.due = max(e.at, e.due)
		return
	}
	if t.catching = e.waited || t.catching && e.at-t.came < pauses; t.catching {
		late = mostCatching
	}
	t.came = e.at
	before := t.shaper
	at, ok := t.shaper.TakeLate(e.at, n, late)
	t.catching = t.catching && at <= e.at
	switch {
	case !ok:
		e.due = w.until
	case at > w.until: // what is left passes freely
		e.due, t.shaper = w.until, before
	default:
		e.due, e.part = at, n
	}
}

type lossStage struct {
	e    Loss
	loss impair.Loss
	next int64 // where the next segment begins
}

func (e Loss) start() stage {
	t := &lossStage{e: e, next: -1}
	switch g := e.Gilbert; {
	case g != nil:
		t.loss = &impair.GilbertElliott{ToBad: g.ToBad, ToGood: g.ToGood, LostBad: g.lostBad(), LostGood: max(g.LostGood, 0)}
	case e.Burst > 1:
		t.loss = &impair.Bursts{Share: e.Share, Length: e.Burst}
	default:
		t.loss = impair.Share(e.Share)
	}
	return t
}

// maxAgain is how often a segment is sent at most.
const maxAgain = 6

func (t *lossStage) take(s *station, it item) {
	switch {
	case s.l.class == streams && it.isPlain():
		t.stream(s, it)
	case it.isPlain() && t.loss.Lost(s.r):
		s.lose(it, Event{Did: Lost})
	default:
		s.hold(it, it.at)
	}
}

// stream draws for each segment that begins in an item, and holds what comes from a lost one on.
func (t *lossStage) stream(s *station, it item) {
	last := it.number + int64(len(it.p.Data))
	if t.next < it.number { // what passed while the fault did not hold lost nothing
		t.next = (it.number + segment - 1) / segment * segment
	}
	for t.next < last {
		at := t.next
		t.next += segment
		if !t.loss.Lost(s.r) {
			continue
		}
		if at > it.number {
			s.hold(s.l.split(&it, int(at-it.number)), it.at)
		}
		s.last = max(it.at, s.last) + t.again(s, &it)
	}
	s.hold(it, it.at)
}

// again returns how much later a segment arrives that is lost.
func (t *lossStage) again(s *station, it *item) time.Duration {
	pause := t.e.Pause
	if pause == 0 {
		pause = 200 * time.Millisecond
	}
	total := pause
	for n := 1; n < maxAgain && t.loss.Lost(s.r); n++ {
		pause *= 2
		total += pause
	}
	s.tell(it, Event{Did: Paused, Delay: total})
	return total
}

type slicesStage struct {
	e     Slices
	cut   int64 // where the next piece begins
	last  time.Duration
	begun bool
}

func (e Slices) start() stage { return &slicesStage{e: e} }

// adopt goes on where the one before has cut.
func (t *slicesStage) adopt(old stage) {
	if o, ok := old.(*slicesStage); ok {
		t.cut, t.last, t.begun = o.cut, o.last, o.begun
	}
}

func (t *slicesStage) take(s *station, it item) { s.hold(it, it.at) }

// charge cuts what leaves next: what waits stays whole, lest a line hold many small pieces.
func (t *slicesStage) charge(s *station, e *entry) {
	if !e.isPlain() || !s.window(e.at).open {
		return
	}
	t.cut = max(t.cut, e.number)
	e.due = max(e.due, e.at)
	if t.cut == e.number {
		if t.begun {
			e.due = max(e.due, t.last+t.e.Pause)
			s.tell(&e.item, Event{Did: Cut})
		}
		t.begun, t.last = true, e.due
		t.cut += int64(t.e.Size)
		if v := t.e.Variation; v > 0 {
			t.cut += int64(s.r.IntN(2*v+1) - v)
		}
	}
	e.part = int(min(int64(len(e.p.Data)), t.cut-e.number))
}

func (t *slicesStage) most(*station) int { return 64 << 10 }

type slowOpenStage struct{ e SlowOpen }

func (e SlowOpen) start() stage { return &slowOpenStage{e} }

func (t *slowOpenStage) take(s *station, it item) {
	due := s.coming.since + t.e.Time
	if due > it.at {
		s.tell(&it, Event{Did: Held, Delay: t.e.Time})
	}
	s.hold(it, due)
}

type slowCloseStage struct{ e SlowClose }

func (e SlowClose) start() stage { return &slowCloseStage{e} }

func (t *slowCloseStage) take(s *station, it item) {
	if it.kind == data {
		s.hold(it, it.at)
		return
	}
	s.tell(&it, Event{Did: Held, Delay: t.e.Time})
	s.hold(it, it.at+t.e.Time)
}

type stallStage struct{}

func (Stall) start() stage { return stallStage{} }

func (stallStage) take(s *station, it item) {
	s.tell(&it, Event{Did: Held})
	s.hold(it, s.coming.until)
}

type partitionStage struct{}

func (Partition) start() stage { return partitionStage{} }

func (partitionStage) take(s *station, it item) {
	if it.kind == data && s.l.class != streams {
		s.lose(it, Event{Did: Dropped})
		return
	}
	s.tell(&it, Event{Did: Held})
	s.hold(it, s.coming.until)
}

type blackholeStage struct{}

func (Blackhole) start() stage { return blackholeStage{} }

func (blackholeStage) take(s *station, it item) {
	if it.kind == data {
		s.lose(it, Event{Did: Dropped})
		return
	}
	s.hold(it, s.coming.until)
}

// A CutError is why a fault ended a pair.
type CutError struct {
	Fault string // its name
	Did   string // Closed or Reset
}

// Error names the fault.
func (e *CutError) Error() string {
	return fmt.Sprintf("the fault %q has %s the connection", e.Fault, e.Did)
}

// closes takes an order to close both ends to the station. What says when, as planned, or where.
func (s *station) closes(at time.Duration, what Event) {
	what.Did = Closed
	s.tell(nil, what)
	s.hold(item{kind: closing, at: at, p: relay.Piece{Why: &CutError{s.live.name, Closed}}}, at)
}

// resets ends the pair at once.
func (s *station) resets(at time.Duration) {
	s.tell(nil, Event{Did: WasReset, At: at})
	s.l.reset = &CutError{s.live.name, WasReset}
}

type timeoutStage struct {
	e      Timeout
	closed bool
}

func (e Timeout) start() stage { return &timeoutStage{e: e} }

func (t *timeoutStage) take(s *station, it item) {
	if it.kind > end {
		s.hold(it, it.at)
		return
	}
	s.lose(it, Event{Did: Dropped})
}

func (t *timeoutStage) ring(s *station, now time.Duration) time.Duration {
	at := s.held.since + t.e.After
	switch {
	case t.closed || t.e.After == 0:
		return forever
	case now < at:
		return at
	}
	t.closed = true
	s.closes(at, Event{At: at})
	return forever
}

func (t *timeoutStage) gone(s *station) {
	if !t.closed {
		t.closed = true
		what := Event{At: s.held.until}
		if s.over { // and nobody has planned it
			what.At = 0
		}
		s.closes(min(s.l.now(), s.held.until), what)
	}
}

type limitStage struct {
	e    Limit
	came int64 // bytes
	done bool
}

func (e Limit) start() stage { return &limitStage{e: e} }

func (t *limitStage) adopt(old stage) {
	if o, ok := old.(*limitStage); ok {
		t.came = o.came
	}
}

func (t *limitStage) take(s *station, it item) {
	switch {
	case t.done && it.kind == data:
		s.lose(it, Event{Did: Dropped, Loose: true})
		return
	case t.done:
		return
	case it.kind != data:
		s.hold(it, it.at)
		return
	}
	left := t.e.Bytes - t.came
	t.came += int64(len(it.p.Data))
	if int64(len(it.p.Data)) < left {
		s.hold(it, it.at)
		return
	}
	t.done = true
	at := it.at
	switch n := int64(len(it.p.Data)); {
	case n == left || n > left && left > 0 && s.l.class == streams:
		first := it
		if n > left {
			first = s.l.split(&it, int(left))
			s.lose(it, Event{Did: Dropped, Loose: true})
		}
		s.hold(first, at)
	default:
		s.lose(it, Event{Did: Dropped, Loose: true})
	}
	s.closes(at, Event{Offset: t.e.Bytes})
}

type resetStage struct {
	e    Reset
	came int64
	done bool
}

func (e Reset) start() stage { return &resetStage{e: e} }

func (t *resetStage) adopt(old stage) {
	if o, ok := old.(*resetStage); ok {
		t.came = o.came
	}
}

func (t *resetStage) take(s *station, it item) {
	if t.e.Bytes == 0 || it.kind != data || t.done {
		if t.done && it.kind == data {
			s.l.release(&it)
			return
		}
		s.hold(it, it.at)
		return
	}
	n := int64(len(it.p.Data))
	left := t.e.Bytes - t.came
	if t.came += n; n < left {
		s.hold(it, it.at)
		return
	}
	t.done = true
	at := it.at
	if s.l.class == streams && n > left && left > 0 {
		first := s.l.split(&it, int(left))
		s.hold(first, at)
		s.l.release(&it)
	} else if n == left {
		s.hold(it, at)
	} else {
		s.l.release(&it)
	}
	s.tell(nil, Event{Did: WasReset, Offset: t.e.Bytes})
	s.hold(item{kind: resetting, at: at, p: relay.Piece{Why: &CutError{s.live.name, WasReset}}}, at)
}

func (t *resetStage) ring(s *station, now time.Duration) time.Duration {
	at := s.held.since + t.e.After
	switch {
	case t.e.Bytes > 0 || t.done:
		return forever
	case now < at:
		return at
	}
	t.done = true
	s.resets(at)
	return forever
}

type downStage struct{}

func (Outage) start() stage { return downStage{} }

func (downStage) take(s *station, it item) {
	if it.kind == data {
		s.lose(it, Event{Did: Dropped})
		return
	}
	s.hold(it, s.coming.until)
}

func (downStage) ring(s *station, now time.Duration) time.Duration {
	if s.l.class == datagrams {
		return forever
	}
	s.resets(s.held.since)
	return forever
}

type corruptStage struct {
	e    Corrupt
	next int64 // bytes of segments that were drawn
	flip []int64
}

func (e Corrupt) start() stage { return &corruptStage{e: e, next: -1} }

func (t *corruptStage) take(s *station, it item) {
	switch {
	case !it.isPlain():
	case s.l.class == streams:
		t.stream(s, &it)
	case impair.Chance(s.r, t.e.Share):
		bit := s.r.IntN(8 * max(len(it.p.Data), 1))
		if len(it.p.Data) > 0 {
			s.change(&it, bit)
		}
	}
	s.hold(it, it.at)
}

// stream draws for each segment that begins in an item, and flips the bits whose bytes are in it.
func (t *corruptStage) stream(s *station, it *item) {
	last := it.number + int64(len(it.p.Data))
	if t.next < 0 {
		t.next = it.number / segment * segment
	}
	for ; t.next < last; t.next += segment {
		if impair.Chance(s.r, t.e.Share) {
			t.flip = append(t.flip, 8*t.next+int64(s.r.IntN(8*segment)))
		}
	}
	for len(t.flip) > 0 && t.flip[0]/8 < last {
		if bit := t.flip[0] - 8*it.number; bit >= 0 {
			s.change(it, int(bit))
		}
		t.flip = t.flip[1:]
	}
}

// change flips a bit of an item, whose data becomes the line's own.
func (s *station) change(it *item, bit int) {
	if b := it.buf; b == nil {
		s.l.own(it)
	} else if b.refs > 1 {
		whole := *it
		it.buf = nil
		s.l.own(it)
		s.l.release(&whole)
	}
	impair.Flip(it.p.Data, bit)
	e := Event{Did: Corrupted, Bit: bit}
	if s.l.class == streams {
		e = Event{Did: Corrupted, Offset: it.number + int64(bit/8), Bit: bit % 8}
	}
	s.tell(it, e)
}

type duplicateStage struct{ e Duplicate }

func (e Duplicate) start() stage { return &duplicateStage{e} }

func (t *duplicateStage) take(s *station, it item) {
	s.hold(it, it.at)
	if it.isPlain() && impair.Chance(s.r, t.e.Share) {
		s.tell(&it, Event{Did: Duplicated})
		s.l.share(&it)
		s.hold(it, it.at)
	}
}

type reorderStage struct {
	e       Reorder
	waiting int
}

func (e Reorder) start() stage {
	e.Distance = max(e.Distance, 1)
	if e.Hold == 0 {
		e.Hold = 100 * time.Millisecond
	}
	return &reorderStage{e: e}
}

func (t *reorderStage) take(s *station, it item) {
	if it.kind != data { // nothing overtakes it any more
		t.let(s, it.at, true)
		s.last = 0
		s.hold(it, it.at)
		return
	}
	if it.isPlain() && impair.Chance(s.r, t.e.Share) {
		s.tell(&it, Event{Did: Reordered, Distance: t.e.Distance})
		s.holdLoose(entry{item: it, due: it.at + t.e.Hold, left: t.e.Distance})
		t.waiting++
		return
	}
	s.holdLoose(entry{item: it, due: it.at})
	if t.waiting > 0 {
		t.let(s, it.at, false)
	}
}

// let counts that a message has overtaken those that wait, and lets those go that waited for the last one.
func (t *reorderStage) let(s *station, at time.Duration, all bool) {
	var over []entry
	t.waiting = 0
	for i := s.head; i < len(s.queue); i++ {
		e := s.queue[i]
		switch {
		case e.left == 0:
			continue
		case e.left > 1 && !all:
			s.queue[i].left--
			t.waiting++
			continue
		}
		e.due, e.left = at, 0
		over = append(over, e)
		s.bytes -= len(e.p.Data)
		s.queue = slices.Delete(s.queue, i, i+1)
		i--
	}
	for _, e := range over {
		s.holdLoose(e)
	}
}

type truncateStage struct{ e Truncate }

func (e Truncate) start() stage {
	if e.Share == 0 {
		e.Share = 1
	}
	return &truncateStage{e}
}

func (t *truncateStage) take(s *station, it item) {
	if it.isPlain() && impair.Chance(s.r, t.e.Share) && len(it.p.Data) > t.e.Size {
		s.tell(&it, Event{Did: Truncated, Kept: t.e.Size})
		it.p.Data = it.p.Data[:t.e.Size]
	}
	s.hold(it, it.at)
}

type mtuStage struct{ e MTU }

func (e MTU) start() stage { return &mtuStage{e} }

func (t *mtuStage) take(s *station, it item) {
	if it.isPlain() && len(it.p.Data) > t.e.Size {
		s.lose(it, Event{Did: Dropped})
		return
	}
	s.hold(it, it.at)
}
