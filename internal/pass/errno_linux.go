package pass

import "syscall"

var systemPassing = []syscall.Errno{syscall.ENONET}
