//go:build unix

package process

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
	"zocalo/socket"
)

// controlD is the usual character that ends the input.
const controlD = 4

func (t *terminal) endOfFile() byte {
	char := byte(controlD)
	if d, ok := socket.As[socket.Descriptor](t.Endpoint); ok {
		control(d, func(fd int) error {
			settings, errno := sys.GetTermios(fd)
			if errno == 0 && settings.Cc[unix.VEOF] != 0 {
				char = settings.Cc[unix.VEOF]
			}
			return nil
		})
	}
	return char
}

// setRaw makes a terminal pass every byte as it is: cfmakeraw(3).
func setRaw(f *os.File) error {
	_, err := makeRaw(f)
	return err
}

// MakeRaw is what a person's terminal needs that is connected to that of a
// program, which echoes and edits lines itself: every byte passes as it is.
// restore undoes it. A terminal that this process does not have in the foreground
// is refused.
func MakeRaw(f *os.File) (restore func(), err error) {
	foreground := false
	if err := control(f, func(fd int) error {
		group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		foreground = group == unix.Getpgrp()
		return err
	}); err != nil {
		return nil, err
	}
	if !foreground {
		return nil, os.NewSyscallError("tcsetattr", syscall.ENOTTY)
	}
	was, err := makeRaw(f)
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		control(f, func(fd int) error { return failure(sys.SetTermios(fd, &was)) })
	}), nil
}

func makeRaw(f *os.File) (was sys.Termios, err error) {
	err = control(f, func(fd int) error {
		t, errno := sys.GetTermios(fd)
		if errno != 0 {
			return errno
		}
		was = *t
		sys.MakeRaw(t)
		return failure(sys.SetTermios(fd, t))
	})
	return was, err
}

// failure is an errno as an error, nil for 0.
func failure(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// control makes a call on a terminal's descriptor.
func control(f interface {
	SyscallConn() (syscall.RawConn, error)
}, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = os.NewSyscallError("ioctl", call(int(fd))) })
	return errors.Join(failed, err)
}

func copySize(to interface {
	SyscallConn() (syscall.RawConn, error)
}, from *os.File) error {
	var size *unix.Winsize
	err := control(from, func(fd int) (err error) {
		size, err = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		return err
	})
	if err != nil {
		return err
	}
	return control(to, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) })
}
