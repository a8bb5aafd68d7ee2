package relay

import (
	"sync"
	"time"

	"zocalo/internal/pass"
)

// A bucket lets so many bytes pass a second. Whoever takes some waits until
// those before it have passed, in the order of asking.
type bucket struct {
	start time.Time

	mu   sync.Mutex
	paid time.Duration // since start: until then, for what was taken
}

func newBucket() *bucket { return &bucket{start: time.Now()} }

// take waits until some of n bytes may pass at a rate, and returns how many, at least
// 1; or until done is closed. A rate of 0 or less is none.
func (b *bucket) take(done <-chan struct{}, n int, rate int64) int {
	if rate <= 0 {
		return n
	}
	n = min(n, pass.Portion(rate))
	b.mu.Lock()
	now := time.Since(b.start)
	wait := b.paid - now
	b.paid = pass.Pay(b.paid, now, n, rate)
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

// pace returns the pace of a pair, nil where there is no rate: each direction has its own, and all share the
// total.
func (r *run) pace() func(<-chan struct{}, Side, int) int {
	if r.now().Rate <= 0 && r.now().TotalRate <= 0 {
		return nil
	}
	own := [2]*bucket{newBucket(), newBucket()}
	return func(done <-chan struct{}, from Side, n int) int {
		n = own[from].take(done, n, r.now().Rate)
		for taken := 0; taken < n; {
			taken += r.total.take(done, n-taken, r.now().TotalRate)
			select {
			case <-done:
				return n
			default:
			}
		}
		return n
	}
}
