package process

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func init() {
	resources["locks"] = unix.RLIMIT_LOCKS
	resources["msgqueue"] = unix.RLIMIT_MSGQUEUE
	resources["nice"] = unix.RLIMIT_NICE
	resources["rtprio"] = unix.RLIMIT_RTPRIO
	resources["rttime"] = unix.RLIMIT_RTTIME
	resources["sigpending"] = unix.RLIMIT_SIGPENDING
}

// setrlimit goes through package syscall, which otherwise would put back the
// number of descriptors that this process began with before it executes
// another program.
func setrlimit(resource int, soft, hard uint64) error {
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: soft, Max: hard})
}

// hardLimit returns this process's own hard limit.
func hardLimit(resource int) (uint64, error) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(resource, &l)
	return l.Max, err
}
