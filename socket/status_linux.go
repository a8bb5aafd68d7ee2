package socket

import "zocalo/internal/sys"

// Status has the queues alone: of the state the system's tables tell.
func (k *kernel) Status() (s Status) {
	// A socket that is closed has none.
	_ = rawConn{&k.descriptor}.Control(func(fd uintptr) {
		var v int32
		s.Received, _ = sys.Pending(int(fd))
		s.Unsent, _ = sys.RawUnsent(int(fd), &v)
	})
	return s
}
