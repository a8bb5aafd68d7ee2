package metrics_test

import (
	"fmt"
	"strings"
	"time"

	"zocalo/relay"
	"zocalo/service/metrics"
)

// A registry is told of pairs, and read over HTTP by its ServeHTTP.
func ExampleRegistry() {
	registry := metrics.New(nil)
	db := registry.Service("db") // its Ended is a relay's hook
	db.Ended(relay.Pair{Result: relay.Result{How: relay.Finished, Duration: time.Second}})
	for line := range strings.Lines(string(registry.Append(nil))) {
		if strings.HasPrefix(line, "zocalo_connections_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// zocalo_connections_total{service="db",result="finished"} 1
	// zocalo_connections_total{service="db",result="reset"} 0
	// zocalo_connections_total{service="db",result="idle"} 0
	// zocalo_connections_total{service="db",result="lifetime"} 0
	// zocalo_connections_total{service="db",result="cancelled"} 0
	// zocalo_connections_total{service="db",result="failed"} 0
}
