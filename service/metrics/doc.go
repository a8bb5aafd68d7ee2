// Package metrics tells Prometheus what services do, in its text format, version 0.0.4.
//
//	registry := metrics.New(source)
//	db := registry.Service("db") // told of each pair by Ended and Reached
//	http.Handle("/metrics", registry)
//
// Two sorts of figures come together in a [Registry]. What only the moment knows, as how
// many pairs ended in which way and how long they took, a [Service] counts when it is
// told. All else is asked of a [Source] when somebody scrapes: totals, upstreams, reloads,
// and this process's own descriptors and memory. Without a scrape that costs nothing, and
// a pair costs a few additions.
//
// No label has the address of a peer: there would be as many series as clients. What labels
// there are have as many values as the configuration has services and upstreams.
//
// metrics.go has the names and what they mean, text.go the format, histogram.go the
// histograms, process.go what this process has.
package metrics
