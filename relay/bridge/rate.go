package bridge

import (
	"sync"
	"time"

	"zocalo/relay"
)

// burst is for how long a rate that was not used may be used at once.
const burst = 100 * time.Millisecond

// A bucket lets so many octets pass a second. Whoever takes some waits until
// those before it have passed, in the order of asking.
type bucket struct {
	rate int64 // octets a second

	mu   sync.Mutex
	next time.Time // when what was taken so far has passed
}

// take waits until some of n octets may pass, and returns how many, at least
// 1; or until done is closed.
func (b *bucket) take(done <-chan struct{}, n int) int {
	n = int(min(int64(n), max(1, b.rate*int64(burst)/int64(time.Second))))
	b.mu.Lock()
	now := time.Now()
	if earliest := now.Add(-burst); b.next.Before(earliest) {
		b.next = earliest
	}
	wait := b.next.Sub(now)
	b.next = b.next.Add(time.Duration(float64(n) / float64(b.rate) * float64(time.Second)))
	b.mu.Unlock()
	if wait <= 0 {
		return n
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	}
	return n
}

// pace returns the pace of a pair, nil where there is no rate: each direction
// has its own, and all share the total.
func (r *run) pace() func(<-chan struct{}, relay.Side, int) int {
	if r.Rate <= 0 && r.TotalRate <= 0 {
		return nil
	}
	own := [2]*bucket{{rate: r.Rate}, {rate: r.Rate}}
	return func(done <-chan struct{}, from relay.Side, n int) int {
		if r.Rate > 0 {
			n = own[from].take(done, n)
		}
		if r.TotalRate <= 0 {
			return n
		}
		for taken := 0; taken < n; {
			taken += r.total.take(done, n-taken)
			select {
			case <-done:
				return n
			default:
			}
		}
		return n
	}
}
