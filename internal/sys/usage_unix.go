//go:build unix

package sys

import (
	"math"
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

// MaxFiles returns how many descriptors this process may have: getrlimit(2).
func MaxFiles() (int64, syscall.Errno) {
	var limit syscall.Rlimit
	errno := errnoOf(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	return int64(min(uint64(limit.Cur), math.MaxInt64)), errno
}
