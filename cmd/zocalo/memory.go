package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// When the program is told to be quiet: a server is that has used less than quietBytes of
// new memory for quietTime.
const (
	quietTime  = 500 * time.Millisecond
	quietBytes = 64 << 10
	worthwhile = 1 << 20 // bytes used since the last time, for which it is worth a look
)

// thrift has a server give the system back, once it is quiet, the memory that a burst of work
// took: by itself Go collects nothing while nothing is used, and keeps as much again as it needs.
// It ends with ctx.
func thrift(ctx context.Context) {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	used := func() (ever, live uint64) {
		metrics.Read(samples)
		return samples[0].Value.Uint64(), samples[1].Value.Uint64()
	}
	tick := time.NewTicker(quietTime)
	defer tick.Stop()
	var before, collected uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, live := used()
		if now-before < quietBytes && now-collected >= max(worthwhile, live/4) {
			runtime.GC() // what is in pools takes two, and large stacks shrink by half each time
			debug.FreeOSMemory()
			now, _ = used()
			collected = now
		}
		before = now
	}
}
