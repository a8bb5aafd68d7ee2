package server

import "syscall"

var systemPassing = []syscall.Errno{syscall.ENONET}
