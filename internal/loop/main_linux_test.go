package loop_test

import (
	"os"
	"testing"

	"zocalo/internal/loop"
)

func closePipes() { loop.ClosePipes() }

// descriptors returns how many this process has.
func descriptors(t testing.TB) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
