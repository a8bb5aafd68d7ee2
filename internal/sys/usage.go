package sys

import (
	"syscall"
	"time"
)

// ProcessTime returns the processor time that this process has used, in its
// own code and in the system's: getrusage(2).
func ProcessTime() (user, system time.Duration, errno syscall.Errno) {
	var u syscall.Rusage
	errno = errnoOf(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano()), errno
}
