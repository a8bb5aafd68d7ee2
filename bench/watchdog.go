package bench

import "time"

// watchdog calls bite if nothing moves for the limit, which may change, and
// returns when done is closed. It looks some times within the limit, so that
// moving data costs nothing.
func watchdog(done <-chan struct{}, limit func() time.Duration, progress func() int64, bite func()) {
	const looks = 5
	last, since := progress(), time.Now()
	for {
		timer := time.NewTimer(max(limit()/looks, time.Millisecond))
		select {
		case <-done:
			timer.Stop()
			return
		case <-timer.C:
		}
		switch now := progress(); {
		case now != last:
			last, since = now, time.Now()
		case time.Since(since) >= limit():
			bite()
			return
		}
	}
}

// moved is the bytes that counters have seen.
func moved(counters ...*counter) (n int64) {
	for _, c := range counters {
		n += c.bytes.Load()
	}
	return n
}
