package socket_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when goroutines or descriptors are left.
func TestMain(m *testing.M) {
	startPoller()
	before := descriptors()
	status := m.Run()
	closeKept()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		status = 1
	}
	for fd, what := range descriptors() {
		if before[fd] != what {
			fmt.Fprintf(os.Stderr, "descriptor %s is left: %s\n", fd, what)
			status = 1
		}
	}
	os.Exit(status)
}

// closeKept closes what the package keeps to use again.
var closeKept = func() {}

// startPoller makes the runtime open what its poller needs, which stays.
func startPoller() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// descriptors returns what the process has open, where the system tells.
func descriptors() map[string]string {
	if runtime.GOOS != "linux" {
		return nil
	}
	found := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		// What ReadDir itself had open is gone.
		if what, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil {
			found[e.Name()] = what
		}
	}
	return found
}
