package poll

import (
	"math/bits"
	"time"
)

// A Timer calls its owner once, some time after it was armed. It is a field of
// the owner: to arm, disarm and arm it again allocates nothing and takes the
// same time whatever the number of timers. The zero Timer is ready, and not
// armed. It must not be copied while armed.
type Timer struct {
	next, prev *Timer // in the list of its slot
	owner      Expirer
	when       int64 // in ticks
	level      uint8
	slot       uint8
	armed      bool
}

// An Expirer owns timers.
type Expirer interface {
	// Expired is called when the time of t, one of the owner's timers, is
	// over. t can be armed again.
	Expired(t *Timer)
}

// Armed reports whether the timer will still call its owner.
func (t *Timer) Armed() bool { return t.armed }

// tick is the precision of timers, that of epoll_wait(2). None is early; each
// may be late by it, and by what the loop is busy with.
const tick = time.Millisecond

const (
	slotBits = 6
	slots    = 1 << slotBits
	levels   = 8 // 2^48 ticks: more than time.Duration can say
)

// A wheel holds armed timers by when they expire: a hierarchical timing wheel
// (Varghese and Lauck, 1987). Each level has a slot for each value of six bits
// of the time, the lowest level for the last six. A timer is in the level of
// the highest bits in which its time differs from now, so that whatever a
// level holds is due before anything in the level above. When a slot's time
// has come, its timers move down, or expire if it is of the lowest level.
type wheel struct {
	now   int64          // in ticks
	busy  [levels]uint64 // a bit for each slot that is not empty
	lists [levels][slots]*Timer
}

// arm makes t expire at a time in ticks, not before the next one.
func (w *wheel) arm(t *Timer, when int64, owner Expirer) {
	w.disarm(t)
	t.owner, t.when, t.armed = owner, max(when, w.now+1), true
	w.place(t)
}

// disarm does nothing to a timer that is not armed.
func (w *wheel) disarm(t *Timer) {
	if !t.armed {
		return
	}
	w.take(t)
	t.armed, t.owner = false, nil
}

func (w *wheel) place(t *Timer) {
	t.level = uint8((bits.Len64(uint64(w.now^t.when)|1) - 1) / slotBits)
	t.slot = uint8(t.when >> (slotBits * t.level) & (slots - 1))
	head := &w.lists[t.level][t.slot]
	if t.next = *head; t.next != nil {
		t.next.prev = t
	}
	*head = t
	w.busy[t.level] |= 1 << t.slot
}

func (w *wheel) take(t *Timer) {
	switch {
	case t.prev != nil:
		t.prev.next = t.next
	default:
		w.lists[t.level][t.slot] = t.next
		if t.next == nil {
			w.busy[t.level] &^= 1 << t.slot
		}
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev = nil, nil
}

// next returns the slot whose time comes first, and that time. Nothing
// expires before it, though perhaps nothing at it either.
func (w *wheel) next() (level, slot int, at int64, ok bool) {
	for level, busy := range w.busy {
		if busy != 0 {
			slot = bits.TrailingZeros64(busy)
			above := slotBits * (level + 1)
			return level, slot, w.now>>above<<above | int64(slot)<<(slotBits*level), true
		}
	}
	return 0, 0, 0, false
}

// advance makes it that time, in ticks, and calls the owners of the timers that
// have expired by then, in the order of their times. Owners may arm and disarm
// any timer.
func (w *wheel) advance(to int64) {
	for {
		level, slot, at, ok := w.next()
		if !ok || at > to {
			w.now = max(w.now, to)
			return
		}
		w.now = at
		for list := &w.lists[level][slot]; *list != nil; {
			t := *list
			w.take(t)
			if t.when > at {
				w.place(t)
				continue
			}
			owner := t.owner
			t.armed, t.owner = false, nil
			owner.Expired(t)
		}
	}
}
