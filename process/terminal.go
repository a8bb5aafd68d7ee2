package process

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"

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
		return nil, &socket.HintError{Err: err, Hint: "a pseudo-terminal needs /dev/ptmx and /dev/pts"}
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

// Write types. To Linux it is EIO that nobody is there any more.
func (t *terminal) Write(b []byte) (int, error) {
	n, err := t.Endpoint.Write(b)
	if errors.Is(err, syscall.EIO) {
		err = os.NewSyscallError("write", syscall.EPIPE)
	}
	return n, err
}

// ClosesWhole implements socket.WholeCloser.
func (t *terminal) ClosesWhole() {}

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
func (t *terminal) Shutdown(how socket.ShutdownHow) error {
	if how != socket.ShutdownWrite {
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

type terminalKey struct{}

// OnTerminal returns a context in which f is told the device of each terminal that
// is made without a path where others would find it, as by pty: alone.
func OnTerminal(ctx context.Context, f func(device string)) context.Context {
	return context.WithValue(ctx, terminalKey{}, f)
}

type sizeKey struct{}

// WithSizeOf returns a context in which a program that is opened on a terminal
// finds that to be as large as f, where f is one.
func WithSizeOf(ctx context.Context, f *os.File) context.Context {
	return context.WithValue(ctx, sizeKey{}, f)
}

// CopySize makes the terminal of the program at the other end of a socket as large
// as f, and tells the program (SIGWINCH). It is an error where either is none.
func CopySize(s *socket.Socket, f *os.File) error {
	t, ok := socket.As[*terminal](s)
	if !ok {
		return &socket.UnsupportedError{Feature: "a size", Needs: "a program on a terminal"}
	}
	d, _ := socket.As[socket.Descriptor](t.Endpoint)
	return copySize(d, f)
}
