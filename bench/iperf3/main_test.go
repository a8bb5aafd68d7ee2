package iperf3

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	before, _ := os.ReadDir("/proc/self/fd")
	goleak.VerifyTestMain(noDescriptorLeaks{m, len(before)})
}

// noDescriptorLeaks fails a run that leaves descriptors open.
type noDescriptorLeaks struct {
	m      *testing.M
	before int
}

// The runtime's poller has two of its own from the first wait on.
const runtimeDescriptors = 2

func (n noDescriptorLeaks) Run() int {
	code := n.m.Run()
	after, err := os.ReadDir("/proc/self/fd")
	if code == 0 && err == nil && len(after) > n.before+runtimeDescriptors {
		fmt.Printf("%d descriptors at the end, %d at the beginning\n", len(after), n.before)
		return 1
	}
	return code
}
