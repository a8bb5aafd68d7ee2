package poll

import (
	"math/rand/v2"
	"testing"
)

// recorder is the owner of timers that notes when they expire.
type recorder struct {
	w     *wheel
	when  map[*Timer]int64 // what each armed timer should expire at
	fired int
	t     testing.TB
	then  func(*Timer)
}

func (r *recorder) Expired(t *Timer) {
	want, armed := r.when[t]
	if !armed || want != r.w.now {
		r.t.Fatalf("a timer for %d (armed: %v) expired at %d", want, armed, r.w.now)
	}
	if t.Armed() {
		r.t.Fatal("a timer is armed while it expires")
	}
	delete(r.when, t)
	r.fired++
	if r.then != nil {
		r.then(t)
	}
}

func (r *recorder) arm(t *Timer, when int64) {
	r.w.arm(t, when, r)
	r.when[t] = max(when, r.w.now+1)
}

func (r *recorder) disarm(t *Timer) {
	r.w.disarm(t)
	delete(r.when, t)
}

// check compares the wheel with the times that it should know.
func (r *recorder) check() {
	least, armed := int64(0), len(r.when) > 0
	for _, when := range r.when {
		if when <= r.w.now {
			r.t.Fatalf("a timer for %d did not expire by %d", when, r.w.now)
		}
		if least == 0 || when < least {
			least = when
		}
	}
	_, _, at, ok := r.w.next()
	if ok != armed || ok && (at > least || at <= r.w.now) {
		r.t.Fatalf("the wheel says %d (any: %v) at %d, and a timer is due at %d", at, ok, r.w.now, least)
	}
}

// FuzzTimers arms, disarms and advances by what the bytes say, and compares
// with a map.
func FuzzTimers(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 250, 9, 64, 64, 200, 3}, uint64(1))
	f.Add([]byte{0, 255, 255, 0, 63, 1, 64, 128}, uint64(7))
	f.Fuzz(func(t *testing.T, ops []byte, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		r := &recorder{w: new(wheel), when: map[*Timer]int64{}, t: t}
		timers := make([]Timer, 16)
		distance := func() int64 { return rng.Int64N(1 << rng.IntN(41)) }
		r.then = func(timer *Timer) { // what owners do meanwhile
			other := &timers[rng.IntN(len(timers))]
			switch rng.IntN(4) {
			case 0:
				r.disarm(other)
			case 1:
				r.arm(timer, r.w.now+1<<44+distance())
			}
		}
		for _, op := range ops[:min(len(ops), 64)] { // which stays below 2^48
			timer := &timers[op%16]
			switch op / 64 {
			case 0, 1:
				r.arm(timer, r.w.now+distance())
			case 2:
				r.disarm(timer)
			case 3:
				r.w.advance(r.w.now + distance())
			}
			r.check()
		}
		r.then = nil
		r.w.advance(1<<48 - 1)
		r.check()
		if len(r.when) > 0 {
			t.Fatalf("%d timers never expired", len(r.when))
		}
	})
}

func TestTimersExpireInOrder(t *testing.T) {
	r := &recorder{w: new(wheel), when: map[*Timer]int64{}, t: t}
	var last int64
	r.then = func(*Timer) {
		if r.w.now < last {
			t.Fatalf("a timer expired at %d, after one at %d", r.w.now, last)
		}
		last = r.w.now
	}
	timers := make([]Timer, 5000)
	for i := range timers {
		r.arm(&timers[i], rand.Int64N(300_000))
	}
	r.w.advance(300_000)
	if r.fired != len(timers) {
		t.Fatalf("%d of %d timers expired", r.fired, len(timers))
	}
}

func TestTimersDoNotAlloc(t *testing.T) {
	w, timer := new(wheel), new(Timer)
	r := &recorder{w: w, t: t}
	if n := testing.AllocsPerRun(1000, func() {
		w.arm(timer, w.now+70, r)
		w.advance(w.now + 3)
		w.arm(timer, w.now+1<<20, r)
		w.disarm(timer)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkTimers(b *testing.B) {
	w := new(wheel)
	r := &recorder{w: w, t: b}
	timers := make([]Timer, 10_000)
	for i := range b.N {
		w.arm(&timers[i%len(timers)], w.now+60_000, r)
		if i%16 == 0 {
			w.advance(w.now + 1)
		}
	}
}
