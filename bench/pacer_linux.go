package bench

import (
	"time"

	"zocalo/internal/sys"
	"zocalo/socket"
)

// A fineTimer waits by a descriptor of timerfd_create(2), which is made when
// it is first needed.
type fineTimer struct {
	timer  *socket.Socket
	fd     int
	ticks  [8]byte
	failed bool
}

func (f *fineTimer) wait(d time.Duration) {
	if f.timer == nil && !f.failed {
		f.open()
	}
	if f.failed || sys.SetTimer(f.fd, d) != 0 {
		time.Sleep(d)
		return
	}
	if _, err := f.timer.Read(f.ticks[:]); err != nil {
		f.failed = true
	}
}

func (f *fineTimer) open() {
	fd, errno := sys.NewTimer()
	if errno == 0 {
		var err error
		if f.timer, err = socket.FromFD(fd); err == nil {
			f.fd = fd
			return
		}
		sys.Close(fd)
	}
	f.failed = true
}

func (f *fineTimer) close() {
	if f.timer != nil {
		f.timer.Close()
		f.timer = nil
	}
}
