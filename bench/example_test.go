package bench_test

import (
	"context"
	"fmt"

	"zocalo/address"
	"zocalo/bench"
)

// A server in this process, and 1000 round trips to it. The server of another
// machine is reached by a Dial of one's own, as over zocalo.Dial.
func ExampleRun() {
	ctx := context.Background()
	at, err := address.Parse("tcp:127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	dial, stop, err := bench.ServeLocal(ctx, &bench.Server{}, at)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	r, err := bench.Run(ctx, dial, bench.Options{Mode: bench.RoundTrip, Count: 1000})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, median := r.Latency.Percentile(50)
	_, rare := r.Latency.Percentile(99.99)
	fmt.Println(r.Latency.Count(), "round trips over", r.Conditions.Kind)
	fmt.Println("enough for the median:", median, "and for p99.99:", rare)
	// Output:
	// 1000 round trips over tcp
	// enough for the median: true and for p99.99: false
}

// Two that are the same, with no time to find that out.
func ExampleCompare() {
	ctx := context.Background()
	at, err := address.Parse("tcp:127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	dial, stop, err := bench.ServeLocal(ctx, &bench.Server{}, at)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	c, err := bench.Compare(ctx, bench.Contender{Name: "one", Dial: dial}, bench.Contender{Name: "other", Dial: dial},
		bench.Options{Mode: bench.RoundTrip, Count: 20}, 1) // a nanosecond: one pair of runs
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Verdict, "after", c.Pairs, "pair")
	// Output: undecided after 1 pair
}
