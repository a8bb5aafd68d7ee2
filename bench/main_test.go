package bench

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	sockettest.RegisterMemory()
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
	if err == nil && code == 0 && len(after) > n.before+runtimeDescriptors {
		fmt.Fprintf(os.Stderr, "%d descriptors were left open\n", len(after)-n.before-runtimeDescriptors)
		return 1
	}
	return code
}
