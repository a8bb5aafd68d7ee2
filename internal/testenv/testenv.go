// Package testenv is for tests alone: it says what they need of the machine
// and is not everywhere. A test that lacks something skips with the reason; on
// CI, which installs every program, a program that lacks is a failure.
package testenv

import (
	"os"
	"os/exec"
	"os/signal"
	"testing"
)

// onCI reports whether the tests run where everything must be there.
func onCI() bool { return os.Getenv("CI") != "" }

// Program returns the path of a program, or ends the test.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case onCI():
		t.Fatalf("the program %s is not installed, and CI must have it", name)
	default:
		t.Skipf("needs the program %s, which is not installed", name)
	}
	return path
}

// Root ends the test unless it runs as root, who may make network namespaces.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network namespace")
	}
}

// Signal ends the test if the signal is ignored, as nohup(1) leaves SIGHUP:
// programs that the test starts then ignore it too.
func Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if signal.Ignored(s) {
		t.Skipf("the signal %v is ignored here, as under nohup", s)
	}
}
