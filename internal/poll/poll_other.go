//go:build !linux

package poll

import (
	"os"
	"syscall"
)

// A Loop cannot be made on this system.
type Loop struct{}

// New answers an error that matches errors.ErrUnsupported.
func New() (*Loop, error) { return nil, os.NewSyscallError("epoll_create1", syscall.ENOSYS) }

// ClosePipes does nothing, since no pipes are kept here.
func ClosePipes() {}
