//go:build unix && !linux

package process

import "syscall"

// awaitExit returns at once: who calls waits with a thread.
func awaitExit(int) {}

func groupRuns(int) bool { return true }

func attributes(*syscall.SysProcAttr, *int) {}
