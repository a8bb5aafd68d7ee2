package socket

import (
	"sync"
	"syscall"

	"zocalo/internal/sys"
)

// unixUrgent reports whether unix streams have urgent data: since Linux 5.15,
// where the kernel was built with it.
var unixUrgent = sync.OnceValue(func() bool {
	a, b, errno := sys.Socketpair(int(Unix), int(Stream), 0)
	if errno != 0 {
		return false
	}
	defer sys.Close(a)
	defer sys.Close(b)
	_, errno = sys.Send(a, []byte{1}, sys.OutOfBand)
	return errno == 0
})

// kindOfFD asks the system what a descriptor is; ok is false for one that is
// no socket.
func kindOfFD(fd int) (k Kind, ok bool, err error) {
	var values [3]int
	for i, option := range [...]int{sys.SO_DOMAIN, sys.SO_TYPE, sys.SO_PROTOCOL} {
		var errno syscall.Errno
		values[i], errno = sys.GetInt(fd, sys.SOL_SOCKET, option)
		switch errno {
		case 0:
		case syscall.ENOTSOCK:
			return Kind{}, false, nil
		default:
			return Kind{}, true, sys.Error("getsockopt", errno)
		}
	}
	k = Kind{Domain: Domain(values[0]), Type: Type(values[1]), Protocol: Protocol(values[2])}
	if k.Protocol == TCP && k.Type == Stream || k.Protocol == UDP && k.Type == Datagram {
		k.Protocol = 0
	}
	return k, true, nil
}
