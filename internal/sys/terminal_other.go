//go:build !linux

package sys

import "syscall"

// ReopenTerminal is Linux's: elsewhere a descriptor that is opened again
// shares its flags.
func ReopenTerminal(int) (int, syscall.Errno) { return -1, syscall.ENOSYS }
