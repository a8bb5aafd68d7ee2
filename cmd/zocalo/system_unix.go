//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signals that not every system has.
const (
	sigTotals  = syscall.SIGUSR1
	sigResized = syscall.SIGWINCH
	sigInput   = syscall.SIGTTIN
	sigOutput  = syscall.SIGTTOU
)

// stopSelf stops this process, until somebody lets it go on.
func stopSelf() { syscall.Kill(os.Getpid(), syscall.SIGSTOP) }

// terminalColumns returns the width of a terminal; is says whether f is one.
func terminalColumns(f *os.File) (columns int, is bool) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(size.Col), true
}

// startPoller makes Go's runtime start its poller while there are descriptors
// for it. Later, for want of them, it would end the program with a dump of all
// goroutines.
func startPoller() error {
	var pair [2]int // as many as the poller takes; os.Pipe would start it
	if err := syscall.Pipe(pair[:]); err != nil {
		return fmt.Errorf("out of file descriptors: %w: raise the limit (ulimit -n)", os.NewSyscallError("pipe", err))
	}
	syscall.Close(pair[0])
	syscall.Close(pair[1])
	time.AfterFunc(time.Hour, func() {}).Stop()
	return nil
}
