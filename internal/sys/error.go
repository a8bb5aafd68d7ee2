package sys

import (
	"os"
	"syscall"
)

// Error wraps an errno as package net does; 0 gives nil.
func Error(call string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return os.NewSyscallError(call, errno)
}
