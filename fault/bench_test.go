package fault

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"zocalo/relay"
)

// How late what is held leaves, by Go's timers and by those of Plan.Precise.
func BenchmarkLateness(b *testing.B) {
	for _, d := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond} {
		for _, precise := range []bool{false, true} {
			b.Run(fmt.Sprintf("%v/precise=%v", d, precise), func(b *testing.B) {
				plan := New(1)
				plan.Precise = precise
				if _, err := plan.Add(Fault{Effect: Latency{Mean: d}}); err != nil {
					b.Fatal(err)
				}
				left := make(chan time.Time, 1)
				f := plan.Filter(b.Context(), relay.Pair{Number: 1}, relay.A, func(relay.Piece) error {
					left <- time.Now()
					return nil
				})
				defer f.End(net.ErrClosed)
				var all []time.Duration
				p := bytesLike
				p.Data = []byte("x")
				for b.Loop() {
					came := time.Now()
					f.Pass(p)
					all = append(all, (<-left).Sub(came)-d)
				}
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2])/1e3, "µs-late-p50")
				b.ReportMetric(float64(all[len(all)*9/10])/1e3, "µs-late-p90")
			})
		}
	}
}

// What a plan costs for each piece: without faults, with one that holds nothing, and with one that holds.
func BenchmarkPass(b *testing.B) {
	for name, specs := range map[string][]string{"nothing": nil, "loss of none": {"loss=0%"}, "latency": {"latency=1ms"}, "rate": {"rate=100GB"}} {
		for _, size := range []int{64, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				plan := New(1)
				if err := plan.Set(parses(b, specs...)...); err != nil {
					b.Fatal(err)
				}
				f := plan.Filter(b.Context(), relay.Pair{Number: 1}, relay.A, func(relay.Piece) error { return nil })
				p := bytesLike
				p.Data = make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := f.Pass(p); err != nil {
						b.Fatal(err)
					}
				}
				f.End(nil)
			})
		}
	}
}

// Neither a piece that passes nor one that is held allocates.
func TestAllocatesNothing(t *testing.T) {
	for _, specs := range [][]string{nil, {"loss=0%", "corrupt=0%"}, {"rate=100GB"}} {
		plan := New(1)
		if err := plan.Set(parses(t, specs...)...); err != nil {
			t.Fatal(err)
		}
		f := plan.Filter(t.Context(), relay.Pair{Number: 1}, relay.A, func(relay.Piece) error { return nil })
		p := bytesLike
		p.Data = make([]byte, 1000)
		for range 100 {
			f.Pass(p)
		}
		if n := testing.AllocsPerRun(1000, func() { f.Pass(p) }); n > 0.1 {
			t.Errorf("%v: %v allocations for each piece", specs, n)
		}
		f.End(nil)
	}
}
