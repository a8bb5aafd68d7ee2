package metrics

import (
	"runtime/metrics"
	"time"
)

// began is about when this process did, where the system does not tell.
var began = time.Now()

// A usage is what the system tells of this process. What it does not tell is negative.
type usage struct {
	openFiles, maxFiles int64
	resident, virtual   int64 // bytes
	cpu                 time.Duration
	began               time.Time // zero where it does not tell
}

// process is what this process has, under the names that all programs use.
func (p *page) process() {
	u := processUsage()
	if u.began.IsZero() {
		u.began = began
	}
	one := func(name, kind, help string, v float64) {
		if v >= 0 {
			p.start(name, kind, help)
			p.value(v)
		}
	}
	one("process_open_fds", gauge, "Number of open file descriptors.", float64(u.openFiles))
	one("process_max_fds", gauge, "Maximum number of open file descriptors.", float64(u.maxFiles))
	one("process_resident_memory_bytes", gauge, "Resident memory size in bytes.", float64(u.resident))
	one("process_virtual_memory_bytes", gauge, "Virtual memory size in bytes.", float64(u.virtual))
	one("process_cpu_seconds_total", counter, "Total user and system CPU time spent in seconds.", u.cpu.Seconds())
	one("process_start_time_seconds", gauge, "Start time of the process since unix epoch in seconds.", float64(u.began.UnixMilli())/1000)

	samples := []metrics.Sample{
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples)
	for i, m := range [...]struct{ name, kind, help string }{
		{"go_goroutines", gauge, "Number of goroutines that currently exist."},
		{"go_memory_heap_objects_bytes", gauge, "Memory of live objects, and of dead ones that are not yet swept."},
		{"go_memory_total_bytes", gauge, "All memory that the Go runtime has from the system."},
		{"go_gc_cycles_total", counter, "Finished garbage collections."},
		{"go_gc_heap_allocs_bytes_total", counter, "Memory that was allocated on the heap so far."},
	} {
		if v := samples[i].Value; v.Kind() == metrics.KindUint64 {
			one(m.name, m.kind, m.help, float64(v.Uint64()))
		}
	}
}
