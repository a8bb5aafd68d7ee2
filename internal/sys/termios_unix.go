//go:build unix

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Termios are the settings of a terminal, see termios(3).
type Termios = unix.Termios

// GetTermios returns the settings; ENOTTY says that fd is no terminal.
func GetTermios(fd int) (*Termios, syscall.Errno) {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	return t, errnoOf(err)
}

// SetTermios changes the settings at once.
func SetTermios(fd int, t *Termios) syscall.Errno {
	return errnoOf(unix.IoctlSetTermios(fd, setTermios, t))
}

// MakeRaw is cfmakeraw(3).
func MakeRaw(t *Termios) {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
}
