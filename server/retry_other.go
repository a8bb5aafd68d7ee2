//go:build !linux

package server

import "syscall"

var systemPassing []syscall.Errno
