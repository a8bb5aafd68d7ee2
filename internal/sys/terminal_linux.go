package sys

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ReopenTerminal opens the terminal that fd is once more, to write to it,
// with a file description of its own that is nonblocking. What is no terminal,
// or is the master of a pseudo-terminal, of which there is only one, answers
// ENOTTY.
func ReopenTerminal(fd int) (int, syscall.Errno) {
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		return -1, syscall.ENOTTY
	}
	if _, err := unix.IoctlGetInt(fd, unix.TIOCGPTN); err == nil {
		return -1, syscall.ENOTTY
	}
	return Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_WRONLY|unix.O_NOCTTY, 0)
}
