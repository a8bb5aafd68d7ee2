package relay

import (
	"testing"
	"testing/synctest"
	"time"

	"zocalo/relay/outcome"
)

// So many bytes a second pass, in pieces of a tenth of that at most, and what
// was not used for a while may come at once.
func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		take := func(n int) (taken int, took time.Duration) {
			began := time.Now()
			for taken < n {
				taken += b.take(nil, n-taken, 1000)
			}
			return taken, time.Since(began)
		}
		if n, took := take(1000); n != 1000 || took < 700*time.Millisecond || took > time.Second {
			t.Errorf("1000 bytes: %d in %v", n, took)
		}
		if n, took := take(1000); n != 1000 || took != time.Second {
			t.Errorf("1000 more: %d in %v", n, took)
		}
		time.Sleep(time.Hour)
		if n := b.take(nil, 1000, 1000); n != 100 {
			t.Errorf("after a pause %d at once", n)
		}
		// The end of a pair ends its wait.
		done := make(chan struct{})
		close(done)
		began := time.Now()
		for range 10 {
			b.take(done, 1000, 1000)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("a pair that is over waited for %v", took)
		}
	})
}

// Even one byte a second makes progress.
func TestBucketOfLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		began := time.Now()
		for range 5 {
			if n := b.take(nil, 1000, 1); n != 1 {
				t.Errorf("%d bytes at once", n)
			}
		}
		if took := time.Since(began); took < 3*time.Second || took > 5*time.Second {
			t.Errorf("5 bytes took %v", took)
		}
	})
}

// Both directions of a pair have a rate each, and all share the total.
func TestPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{total: newBucket()}
		r.holds.Store(&settings{Config: Config{Limits: Limits{Rate: 1000, TotalRate: 1000}}})
		one, other := r.pace(), r.pace()
		began, taken := time.Now(), 0
		for taken < 2000 {
			taken += one(nil, outcome.A, 500)
			taken += one(nil, outcome.B, 500)
			taken += other(nil, outcome.A, 500)
		}
		if took := time.Since(began); took < 1800*time.Millisecond || took > 2200*time.Millisecond {
			t.Errorf("%d bytes of three directions took %v at 1000 a second together", taken, took)
		}
	})
}
