//go:build darwin || freebsd || netbsd || openbsd

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)

// SetTermiosSpeed is SetTermios with a speed in baud for both directions.
func SetTermiosSpeed(fd int, t *Termios, baud int) syscall.Errno {
	setSpeed(&t.Ispeed, baud)
	setSpeed(&t.Ospeed, baud)
	return SetTermios(fd, t)
}

func setSpeed[T int32 | uint32 | uint64](to *T, baud int) { *to = T(baud) }
