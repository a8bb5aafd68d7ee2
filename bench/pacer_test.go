package bench

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestPacer sees that nothing is early; how late it is depends on the machine
// and is only logged.
func TestPacer(t *testing.T) {
	var p pacer
	defer p.close()
	var stop atomic.Bool
	late := NewHistogram(Nanoseconds)
	begin := time.Now()
	for n := range 200 {
		due := begin.Add(time.Duration(n) * 300 * time.Microsecond)
		p.until(due, &stop)
		d := time.Since(due)
		if d < 0 {
			t.Fatalf("message %d was %v early", n, -d)
		}
		late.RecordTime(d)
	}
	t.Logf("late by %v in the middle, %v at most", time.Duration(late.Median()), time.Duration(late.Max()))
	stop.Store(true)
	p.until(time.Now().Add(time.Hour), &stop)
}

func BenchmarkPacer(b *testing.B) {
	var p pacer
	defer p.close()
	var stop atomic.Bool
	b.ReportAllocs()
	for b.Loop() {
		p.until(time.Now().Add(20*time.Microsecond), &stop)
	}
}
