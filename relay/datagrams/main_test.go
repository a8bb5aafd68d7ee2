package datagrams_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(noDescriptorLeaks{m}) }

// noDescriptorLeaks fails a run that leaves descriptors open.
type noDescriptorLeaks struct{ m *testing.M }

// The runtime's poller has two of its own from the first wait on.
const runtimeDescriptors = 2

func (n noDescriptorLeaks) Run() int {
	before, _ := os.ReadDir("/proc/self/fd")
	code := n.m.Run()
	after, err := os.ReadDir("/proc/self/fd")
	if err == nil && code == 0 && len(after) > len(before)+runtimeDescriptors {
		os.Stderr.WriteString("descriptors were left open\n")
		return 1
	}
	return code
}
