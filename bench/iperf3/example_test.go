package iperf3_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"zocalo"
	"zocalo/address"
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
	at, err := address.Parse("unix:" + filepath.Join(dir, "s"))
	if err != nil {
		panic(err)
	}

	ctx, stop := context.WithCancel(context.Background())
	l, err := zocalo.ListenAddress(ctx, at)
	if err != nil {
		panic(err)
	}
	served := make(chan error)
	go func() { served <- new(iperf3.Server).Serve(ctx, l) }()

	c := iperf3.Client{Address: at, Test: iperf3.Test{Bytes: 1 << 20, Size: 64 << 10}}
	report, err := c.Run(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println("sent", report.Near.Sent().Bytes, "bytes")
	fmt.Println("received", report.Far.Received().Bytes)

	stop()
	fmt.Println(<-served)
	// Output:
	// sent 1048576 bytes
	// received 1048576
	// <nil>
}
