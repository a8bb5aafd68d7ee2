package process

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"zocalo/socket"
)

// Terminal is a pseudo-terminal, see pty(7): the end that a person would be
// at, as a socket, and the device that a program has.
//
// What the socket writes is typed; what it reads is what the program shows.
// Its Shutdown(Write) types the end-of-file character, usually control-D,
// which ends the input of what reads lines, if typed at the beginning of one.
// It is typed again twice a second until nobody has the device open any more,
// since a program that changes the terminal's mode meanwhile, as shells do
// when they begin, loses it. The socket reads io.EOF once no program has the device open any more.
type Terminal struct {
	*socket.Socket
	Device *os.File
}

// The size of a new terminal, in characters.
const (
	terminalRows    = 24
	terminalColumns = 80
)

// OpenTerminal makes a terminal of 80 columns and 24 rows. Both ends are the
// caller's to close; as long as it has the device open, there is no end of
// file.
func OpenTerminal() (*Terminal, error) {
	near, device, err := pty.Open()
	if err != nil {
		return nil, &socket.Advised{Err: err, Advice: "a pseudo-terminal needs /dev/ptmx and /dev/pts"}
	}
	defer near.Close()
	err = pty.Setsize(device, &pty.Winsize{Rows: terminalRows, Cols: terminalColumns})
	var s *socket.Socket
	if err == nil {
		s, err = socket.FromFile(near)
	}
	if err != nil {
		device.Close()
		return nil, err
	}
	e := &terminal{Endpoint: s.Unwrap()}
	return &Terminal{socket.Wrap(e, s.Kind()), device}, nil
}

// Close closes both ends.
func (t *Terminal) Close() error {
	return errors.Join(t.Socket.Close(), t.Device.Close())
}

// terminal is the near end of a pseudo-terminal. It hides the descriptor,
// which knows no end-of-file.
type terminal struct {
	socket.Endpoint

	mu     sync.Mutex
	over   bool        // closed, or nobody has the device open
	typist *time.Timer // types the end-of-file again; nil before Shutdown
}

// Read reads what is shown. That no program has the device open any more is
// EIO to Linux.
func (t *terminal) Read(b []byte) (int, error) {
	n, err := t.Endpoint.Read(b)
	if errors.Is(err, syscall.EIO) {
		err = io.EOF
	}
	if err == io.EOF {
		t.stop()
	}
	return n, err
}

func (t *terminal) Close() error {
	t.stop()
	return t.Endpoint.Close()
}

// stop types no more.
func (t *terminal) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if t.typist != nil {
		t.typist.Stop()
	}
}

// retype is the time between two end-of-file characters.
const retype = 500 * time.Millisecond

// Shutdown types the end-of-file character.
func (t *terminal) Shutdown(how socket.How) error {
	if how != socket.Write {
		return &socket.UnsupportedError{Feature: "shutting a terminal down for reading"}
	}
	t.mu.Lock()
	again := t.typist != nil || t.over
	if !again {
		t.typist = time.AfterFunc(retype, t.typeAgain)
	}
	t.mu.Unlock()
	if again {
		return nil
	}
	_, err := t.Write([]byte{t.endOfFile()})
	return err
}

func (t *terminal) typeAgain() {
	_, err := t.Write([]byte{t.endOfFile()})
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over && err == nil {
		t.typist.Reset(retype)
	}
}

// controlD is the usual character that ends the input.
const controlD = 4

func (t *terminal) endOfFile() byte {
	char := byte(controlD)
	if d, ok := socket.As[socket.Descriptor](t.Endpoint); ok {
		if raw, err := d.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) {
				if settings, err := unix.IoctlGetTermios(int(fd), getTermios); err == nil && settings.Cc[unix.VEOF] != 0 {
					char = settings.Cc[unix.VEOF]
				}
			})
		}
	}
	return char
}

// setRaw makes a terminal pass every octet as it is: cfmakeraw(3).
func setRaw(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) {
		var t *unix.Termios
		if t, err = unix.IoctlGetTermios(int(fd), getTermios); err != nil {
			return
		}
		t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
		t.Oflag &^= unix.OPOST
		t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
		t.Cflag &^= unix.CSIZE | unix.PARENB
		t.Cflag |= unix.CS8
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
		err = unix.IoctlSetTermios(int(fd), setTermios, t)
	})
	if failed != nil {
		return failed
	}
	return os.NewSyscallError("ioctl", err)
}
