package streams_test

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// BenchmarkGCPause collects garbage while a loop relays bulk, or, to compare,
// while it waits, and reports how long the program stood still for it.
func BenchmarkGCPause(b *testing.B) {
	for _, work := range []string{"waiting", "bulk"} {
		b.Run(work, func(b *testing.B) {
			r := relaying(b, tcp, tcp, 1, nil)
			near, far := r.pair()
			done := make(chan struct{}, 2)
			if work == "bulk" {
				go func() {
					data := make([]byte, 1<<18)
					for {
						if _, err := near.Write(data); err != nil {
							break
						}
					}
					done <- struct{}{}
				}()
				go func() {
					data := make([]byte, 1<<18)
					for {
						if _, err := far.Read(data); err != nil {
							break
						}
					}
					done <- struct{}{}
				}()
			}
			var before debug.GCStats
			debug.ReadGCStats(&before)
			for b.Loop() {
				runtime.GC()
			}
			after := debug.GCStats{PauseQuantiles: make([]time.Duration, 101)}
			debug.ReadGCStats(&after)
			b.ReportMetric(float64((after.PauseTotal-before.PauseTotal).Microseconds())/float64(after.NumGC-before.NumGC), "us/pause")
			b.ReportMetric(float64(after.PauseQuantiles[50].Microseconds()), "us-p50")
			b.ReportMetric(float64(after.PauseQuantiles[99].Microseconds()), "us-p99")
			near.Close()
			far.Close()
			if work == "bulk" {
				<-done
				<-done
			}
		})
	}
}
