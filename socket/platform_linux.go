package socket

import (
	"errors"
	"sync"

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
	domain, errno := sys.GetInt(fd, sys.SOL_SOCKET, sys.SO_DOMAIN)
	if errno == sys.ENOTSOCK {
		return Kind{}, false, nil
	}
	typ, errno2 := sys.GetInt(fd, sys.SOL_SOCKET, sys.SO_TYPE)
	protocol, errno3 := sys.GetInt(fd, sys.SOL_SOCKET, sys.SO_PROTOCOL)
	if err := errors.Join(syscallError("getsockopt", errno), syscallError("getsockopt", errno2), syscallError("getsockopt", errno3)); err != nil {
		return Kind{}, true, err
	}
	k = Kind{Domain(domain), Type(typ), Protocol(protocol)}
	if k.Protocol == TCP && k.Type == Stream || k.Protocol == UDP && k.Type == Datagram {
		k.Protocol = 0
	}
	return k, true, nil
}
