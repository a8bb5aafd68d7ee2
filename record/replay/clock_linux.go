package replay

import (
	"os"
	"time"

	"zocalo/internal/sys"
)

// A fineTimer is timerfd's, for which the runtime's poller waits.
type fineTimer struct {
	fd   int
	file *os.File
}

func newAlarmTimer() alarmTimer {
	fd, errno := sys.NewTimer()
	if errno != 0 {
		return newRuntimeTimer()
	}
	return &fineTimer{fd, os.NewFile(uintptr(fd), "timer")}
}

func (t *fineTimer) set(d time.Duration) { sys.SetTimer(t.fd, d) }

func (t *fineTimer) wait() {
	var count [8]byte
	t.file.Read(count[:]) // fails only once it is closed
}

func (t *fineTimer) close() { t.file.Close() }
