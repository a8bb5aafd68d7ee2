package bench

import (
	"runtime"
	"testing"
)

// TestRunAllocates sees that messages cost no allocation: twenty times as many
// cost hardly more.
func TestRunAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	dir := t.TempDir()
	for _, text := range []string{"tcp:127.0.0.1:0", "unix-seqpacket:" + dir + "/q", "unix-dgram:" + dir + "/d"} {
		dial := serve(t, &Server{}, text)
		for _, o := range []Options{
			{Mode: RoundTrip}, {Mode: RoundTrip, Depth: 4}, {Mode: AtRate, Rate: 1e6}, {Mode: Stream, Size: 500}, {Mode: Stream, Size: 500, Direction: Reverse},
			{Mode: RoundTrip, Flows: 10},
		} {
			few, many := o, o
			few.Count, many.Count = 1000, 20_000
			measure(t, dial, few)
			a, b := allocations(t, dial, few), allocations(t, dial, many)
			if extra := float64(b) - float64(a); extra > 0.05*19_000 {
				t.Errorf("%s %s, depth %d: %d allocations for 1000 messages, %d for 20000", text, o.Mode, o.Depth, a, b)
			}
		}
	}
}

func allocations(t *testing.T, dial Dial, o Options) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	measure(t, dial, o)
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
