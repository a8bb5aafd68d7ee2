package iperf3_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"zocalo"
	"zocalo/bench/iperf3"
)

// A server and a client in one program, over a unix socket. Over TCP either may
// be iperf3 itself.
func Example() {
	dir, err := os.MkdirTemp("", "iperf3")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	address := "unix:" + filepath.Join(dir, "s")

	ctx, stop := context.WithCancel(context.Background())
	l, err := zocalo.Listen(ctx, address)
	if err != nil {
		panic(err)
	}
	served := make(chan error)
	go func() { served <- new(iperf3.Server).Serve(ctx, l) }()

	c := iperf3.Client{Address: address, Test: iperf3.Test{Octets: 1 << 20, Size: 64 << 10}}
	report, err := c.Run(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println("sent", report.Near.Sent().Octets, "octets")
	fmt.Println("received", report.Far.Received().Octets)

	stop()
	fmt.Println(<-served)
	// Output:
	// sent 1048576 octets
	// received 1048576
	// <nil>
}
