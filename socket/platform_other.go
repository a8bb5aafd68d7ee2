//go:build !linux

package socket

import (
	"syscall"

	"zocalo/internal/sys"
)

// unixUrgent reports whether unix streams have urgent data, which is Linux's.
func unixUrgent() bool { return false }

// kindOfFD asks the system what a descriptor is; ok is false for one that is
// no socket. The protocol cannot be asked for, and stays the default.
func kindOfFD(fd int) (k Kind, ok bool, err error) {
	typ, errno := sys.GetInt(fd, sys.SOL_SOCKET, sys.SO_TYPE)
	if errno == syscall.ENOTSOCK {
		return Kind{}, false, nil
	}
	if errno != 0 {
		return Kind{}, true, sys.Error("getsockopt", errno)
	}
	var a sys.Sockaddr
	if errno := sys.Getsockname(fd, &a); errno != 0 {
		return Kind{}, true, sys.Error("getsockname", errno)
	}
	return Kind{Domain: Domain(a.Family()), Type: Type(typ)}, true, nil
}
