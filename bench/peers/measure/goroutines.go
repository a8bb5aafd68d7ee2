package main

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// greeting asks a zocalo bench server for an echo of messages of 64 bytes:
// see bench/wire.go.
func greeting() []byte {
	g := make([]byte, 64)
	copy(g, "zbench?\n\x01\x01")
	g[15], g[60] = 64, 1
	return g
}

// goroutines makes round trips of 64 bytes over so many connections, each in
// a goroutine over package net, and prints how many, as zocalo bench does.
func goroutines(server string, flows int, d time.Duration) error {
	conns := make([]net.Conn, flows)
	for i := range conns {
		c, err := net.Dial("tcp", server)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write(greeting()); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, 64)); err != nil {
			return err
		}
		conns[i] = c
	}
	before, err := used()
	if err != nil {
		return err
	}
	var trips atomic.Int64
	var group sync.WaitGroup
	end := time.Now().Add(d)
	errs := make(chan error, flows)
	for _, c := range conns {
		group.Go(func() {
			b := make([]byte, 64)
			n := int64(0)
			for start := time.Now(); start.Before(end); start = time.Now() {
				if _, err := c.Write(b); err != nil {
					errs <- err
					return
				}
				if _, err := io.ReadFull(c, b); err != nil {
					errs <- err
					return
				}
				n++
			}
			trips.Add(n)
		})
	}
	group.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	after, err := used()
	fmt.Printf(`{"near":{"processor":{"user_ns":%d,"system_ns":0}},"latency":{"count":%d}}`+"\n", after-before, trips.Load())
	return err
}

// used is the processor time of this process.
func used() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
