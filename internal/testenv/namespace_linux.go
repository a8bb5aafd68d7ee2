package testenv

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// InNamespace runs f in a network namespace of its own, after the commands of
// ip(8) that prepare it. Sockets that f opens belong to it; goroutines that it
// starts do not. It needs root and the program ip, and skips the test otherwise.
func InNamespace(t testing.TB, commands []string, f func()) {
	t.Helper()
	Root(t)
	ip := Program(t, "ip")
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		for _, command := range append([]string{"link set lo up"}, commands...) {
			if out, err := exec.Command(ip, strings.Fields(command)...).CombinedOutput(); err != nil {
				t.Errorf("ip %s: %v: %s", command, err, out)
				return
			}
		}
		f()
	}()
	<-done
}
