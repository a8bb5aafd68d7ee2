package testenv

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Signals sends SIGURG to every thread of this program, again and again, until the
// test ends. Go ignores it, having asked for it or not; system calls end early by it.
func Signals(t testing.TB) {
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			threads, _ := os.ReadDir("/proc/self/task")
			for _, thread := range threads {
				select {
				case <-stop:
					return
				default:
				}
				if id, err := strconv.Atoi(thread.Name()); err == nil {
					unix.Tgkill(os.Getpid(), id, unix.SIGURG)
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-over })
}
