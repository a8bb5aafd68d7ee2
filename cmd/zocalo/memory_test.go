package main

import (
	"runtime/metrics"
	"testing"
	"time"
)

var litter []byte

// What a burst has left behind goes back to the system although nothing uses memory any
// more, which is when Go itself collects nothing.
func TestThrift(t *testing.T) {
	go thrift(t.Context())
	released := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/released:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	litter = make([]byte, 64<<20)
	before := released()
	litter = nil
	for released() < before+32<<20 { // or the test's own time is over
		time.Sleep(10 * time.Millisecond)
	}
}
