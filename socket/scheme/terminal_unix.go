//go:build unix

package scheme

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
	"zocalo/socket"
	"zocalo/socket/option"
)

// setTerminal does what the settings say of the terminal that fd is, and returns
// what puts it back; nil if they say nothing.
func setTerminal(fd int, ss option.Settings) (restore func(), err error) {
	raw, _ := rawOption.In(ss)
	echo, hasEcho := echoOption.In(ss)
	speed, hasSpeed := speedOption.In(ss)
	line, hasLine := lineOption.In(ss)
	flow, hasFlow := flowOption.In(ss)
	if !raw && !hasEcho && !hasSpeed && !hasLine && !hasFlow {
		return nil, nil
	}
	t, errno := sys.GetTermios(fd)
	switch {
	case errno == syscall.ENOTTY:
		return nil, &socket.HintError{Err: errors.New("it is not a terminal"), Hint: "omit raw, echo, speed, line and flow"}
	case errno != 0:
		return nil, sys.Error("tcgetattr", errno)
	}
	was := *t
	if raw {
		sys.MakeRaw(t)
	}
	if hasEcho {
		setBits(&t.Lflag, unix.ECHO, echo)
	}
	if hasLine {
		t.Cflag &^= unix.CSIZE
		switch line[0] {
		case '5':
			t.Cflag |= unix.CS5
		case '6':
			t.Cflag |= unix.CS6
		case '7':
			t.Cflag |= unix.CS7
		case '8':
			t.Cflag |= unix.CS8
		}
		setBits(&t.Cflag, unix.PARENB, line[1] != 'N')
		setBits(&t.Cflag, unix.PARODD, line[1] == 'O')
		setBits(&t.Cflag, unix.CSTOPB, line[2] == '2')
	}
	if hasFlow {
		setBits(&t.Cflag, unix.CRTSCTS, flow == "rtscts")
		setBits(&t.Iflag, unix.IXON|unix.IXOFF, flow == "xonxoff")
	}
	if hasSpeed || hasLine || hasFlow {
		t.Cflag |= unix.CREAD | unix.CLOCAL // a serial line without a modem has no carrier
	}
	if hasSpeed {
		errno = sys.SetTermiosSpeed(fd, t, speed)
	} else {
		errno = sys.SetTermios(fd, t)
	}
	restore = func() { sys.SetTermios(fd, &was) }
	if errno != 0 {
		return nil, sys.Error("tcsetattr", errno)
	}
	// The system sets what it can, and is content with any part of it. Other bits than
	// those that were asked for are the driver's own business.
	const asked = unix.CSIZE | unix.PARENB | unix.PARODD | unix.CSTOPB | unix.CRTSCTS
	if now, errno := sys.GetTermios(fd); errno == 0 && (hasLine || hasFlow) && (now.Cflag^t.Cflag)&asked != 0 {
		restore()
		return nil, &socket.HintError{Err: fmt.Errorf("the device rejected line or flow: %w", syscall.EINVAL), Hint: "omit them, or check its settings with stty -a"}
	}
	return restore, nil
}

func setBits[T ~uint32 | ~uint64](to *T, bits T, on bool) {
	*to &^= bits
	if on {
		*to |= bits
	}
}
