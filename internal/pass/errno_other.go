//go:build !linux

package pass

import "syscall"

var systemPassing []syscall.Errno
