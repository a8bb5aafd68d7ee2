package check_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/check"
)

// A host that is short of descriptors is not a kind that breaks its promises,
// however many are left. The limit is that of a process of its own.
func TestShortageIsNoBrokenPromise(t *testing.T) {
	if os.Getenv("CHECK_SHORTAGE") == "" {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestShortageIsNoBrokenPromise$", "-test.v")
		c.Env = append(os.Environ(), "CHECK_SHORTAGE=1")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%s", out)
		}
		return
	}
	met := false
	for _, kind := range []string{"tcp", "unix", "unix-dgram"} {
		src := open(t, kind)
		// A socket, and so the poller of the runtime, is there by now.
		lowest, err := syscall.Dup(1)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Close(lowest)
		for left := 2; left <= 10; left++ {
			report := withDescriptors(t, lowest+left, func() check.KindReport {
				return tryWithin(t, 5*time.Second, src, "connected", "nobody", "queue", "waiting", "names", "descriptors")
			})
			for _, f := range report.Findings {
				switch f.Verdict {
				case check.Broken:
					t.Errorf("%s, %d descriptors left: %+v", kind, left, f)
				case check.Failed:
					met = true
					if !strings.Contains(f.Reason, "could not be tried") || !strings.Contains(f.Reason, "too many open files") {
						t.Errorf("%s, %d descriptors left: %s: reason %q", kind, left, f.Property, f.Reason)
					}
				}
				if strings.Contains(f.Seen, "too many open files") {
					t.Errorf("%s, %d descriptors left: a shortage as what was seen: %+v", kind, left, f)
				}
			}
		}
	}
	if !met {
		t.Error("no experiment met a shortage")
	}
}

// withDescriptors runs f where descriptors have to be less than limit.
func withDescriptors(t *testing.T, limit int, f func() check.KindReport) check.KindReport {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = uint64(limit)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(fmt.Errorf("the limit is not back: %w", err))
		}
	}()
	return f()
}
