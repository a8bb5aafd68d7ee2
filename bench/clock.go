package bench

import (
	"sync"
	"time"
)

// clockStep is the resolution of the clock that all is measured by, found out
// by reading it: the least step seen between two readings. It holds what a
// reading costs, so nothing shorter can be told. It is 0 where the clock
// never moved, as in tests with a clock of their own.
var clockStep = sync.OnceValue(func() time.Duration {
	const readings = 2000
	var least time.Duration
	for range readings {
		start := time.Now()
		if step := time.Since(start); step > 0 && (least == 0 || step < least) {
			least = step
		}
	}
	return least
})
