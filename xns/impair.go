package xns

import (
	"math/rand/v2"
	"sync"
	"time"

	"zocalo/internal/impair"
)

// Faults is what [Impair] does to the packets that a link sends. Shares are of
// 1: 0.2 is one in five.
type Faults struct {
	Seed    uint64        // the same seed makes the same choices, packet by packet
	Lose    float64       // share of packets lost
	Repeat  float64       // share sent twice
	Corrupt float64       // share in which one bit is flipped
	Reorder float64       // share held back, for others to overtake
	Delay   time.Duration // how long every packet takes
	Hold    time.Duration // how much longer one that is held back takes; 0 is 5 ms
}

// heldPackets bounds what an impaired link holds back; more are lost.
const heldPackets = 1024

// impaired is a link with faults.
type impaired struct {
	Link
	f Faults

	mu     sync.Mutex
	lose   *rand.Rand // one for each, so that none shifts the choices of another
	repeat *rand.Rand
	change *rand.Rand
	hold   *rand.Rand
	timers map[*time.Timer]*buffer // of packets that are held back
	all    sync.WaitGroup
	closed bool
}

// Impair returns a link that is l with faults in what it sends. Closing it
// closes l. To impair both directions, impair both ends.
func Impair(l Link, f Faults) Link {
	if f.Hold <= 0 {
		f.Hold = 5 * time.Millisecond
	}
	of := func(fault string) *rand.Rand { return impair.New(f.Seed, 0, 0, fault) }
	return &impaired{Link: l, f: f, lose: of("loss"), repeat: of("duplicate"), change: of("corrupt"), hold: of("reorder"), timers: map[*time.Timer]*buffer{}}
}

func (l *impaired) WriteFrame(to HostID, packet []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost, twice := impair.Chance(l.lose, l.f.Lose), impair.Chance(l.repeat, l.f.Repeat)
	corrupt, held := impair.Chance(l.change, l.f.Corrupt), impair.Chance(l.hold, l.f.Reorder)
	bit := l.change.IntN(8 * len(packet))
	if lost {
		return nil
	}
	if corrupt {
		changed := newBuffer()
		defer changed.free()
		changed.set(packet)
		packet = changed.bytes()
		impair.Flip(packet, bit)
	}
	delay := l.f.Delay
	if held {
		delay += l.f.Hold
	}
	if delay <= 0 {
		err := l.Link.WriteFrame(to, packet)
		if twice && err == nil {
			err = l.Link.WriteFrame(to, packet)
		}
		return err
	}
	l.later(to, packet, delay)
	if twice {
		l.later(to, packet, delay+time.Microsecond)
	}
	return nil
}

// later sends a copy of the packet later. The caller holds mu.
func (l *impaired) later(to HostID, packet []byte, delay time.Duration) {
	if l.closed || len(l.timers) >= heldPackets {
		return
	}
	b := newBuffer()
	b.set(packet)
	l.all.Add(1)
	var t *time.Timer
	t = time.AfterFunc(delay, func() {
		defer l.all.Done()
		l.mu.Lock()
		delete(l.timers, t)
		closed := l.closed
		l.mu.Unlock()
		if !closed {
			l.Link.WriteFrame(to, b.bytes())
		}
		b.free()
	})
	l.timers[t] = b
}

func (l *impaired) Close() error {
	l.mu.Lock()
	l.closed = true
	for t, b := range l.timers {
		if t.Stop() {
			b.free()
			l.all.Done()
		}
	}
	clear(l.timers)
	l.mu.Unlock()
	l.all.Wait()
	return l.Link.Close()
}
