package join

import (
	"os"
	"syscall"
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// confirmTime is for how long a peer may take to acknowledge what it was sent
// last: beyond it nothing is known.
const confirmTime = 2 * time.Second

// confirm waits until the peer's system has acknowledged all that was written to a
// TCP end, and returns why it never will: a peer that has closed answers what comes
// later with a reset, of which a write that was the last learns nothing.
func (e *End) confirm() error {
	k := e.Socket.Kind()
	raw := e.tellsOver()
	if raw == nil || k.Type != socket.Stream || k.Domain == socket.Unix {
		return nil
	}
	backoff, pause := pass.Backoff{First: time.Millisecond, Last: 50 * time.Millisecond}, time.Duration(0)
	for end := time.Now().Add(confirmTime); time.Now().Before(end); time.Sleep(pause) {
		pause = backoff.After(pause)
		var unsent int
		var pending syscall.Errno
		err := raw.Control(func(fd uintptr) {
			if n, errno := sys.GetInt(int(fd), sys.SOL_SOCKET, sys.SO_ERROR); errno == 0 {
				pending = syscall.Errno(n)
			}
			var v int32
			unsent, _ = sys.RawUnsent(int(fd), &v)
		})
		switch {
		case err != nil, pending == 0 && unsent == 0:
			return nil
		case pending != 0:
			return os.NewSyscallError("write", pending)
		}
	}
	return nil
}
