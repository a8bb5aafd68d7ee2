package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"zocalo/socket"
)

func init() {
	programOptions := []*socket.Spec{stderrOption.Spec, terminalOption.Spec}
	socket.RegisterScheme(&socket.Scheme{
		Name: "exec", Endpoint: "command", Doc: "a program, its standard input and output on a socket",
		Type: socket.Stream, NoListen: true, Options: programOptions,
		Open: func(_ context.Context, t socket.Target) (*socket.Socket, error) {
			words, err := Words(t.Endpoint)
			switch {
			case err != nil:
				return nil, socket.EndpointErrorf("%v", err)
			case len(words) == 0:
				return nil, socket.EndpointErrorf("no command was given: write exec:command")
			}
			return openProgram(words, t.Settings)
		},
	})
	socket.RegisterScheme(&socket.Scheme{
		Name: "shell", Aliases: []string{"system"}, Endpoint: "command", Doc: "a command of the shell, its standard input and output on a socket",
		Type: socket.Stream, NoListen: true, Options: programOptions,
		Open: func(_ context.Context, t socket.Target) (*socket.Socket, error) {
			if t.Endpoint == "" {
				return nil, socket.EndpointErrorf("no command was given: write shell:command")
			}
			return openProgram(Shell(t.Endpoint), t.Settings)
		},
	})
	socket.RegisterScheme(&socket.Scheme{
		Name: "pty", Endpoint: "path", Doc: "a new pseudo-terminal, with a symbolic link at the path to the device that other programs open",
		Type: socket.Stream, NoListen: true, Options: []*socket.Spec{rawOption.Spec, modeOption.Spec},
		Open: func(_ context.Context, t socket.Target) (*socket.Socket, error) { return openDevice(t) },
	})
}

var (
	stderrOption = socket.NewOption(socket.Spec{
		Name: "stderr", Phase: socket.Naming, Default: "off: it goes where this program's goes",
		Doc: "put the program's standard error on the socket too",
	}, socket.Flag, nil, nil)
	terminalOption = socket.NewOption(socket.Spec{
		Name: "pty", Phase: socket.Naming, Default: "off: a socket pair",
		Doc: "give the program a pseudo-terminal, standard error included",
	}, socket.Flag, nil, nil)
	rawOption = socket.NewOption(socket.Spec{
		Name: "raw", Phase: socket.Naming, Default: "on: every octet passes as it is",
		Doc: "switch off what a terminal does with its input and output: echo, lines, signals; raw=0 leaves it on",
	}, socket.Flag, nil, nil)
	modeOption = socket.NewOption(socket.Spec{
		Name: "mode", Aliases: []string{"perm"}, Phase: socket.Naming, Default: "the system's, usually 0620",
		Doc: "permissions of the device",
	}, socket.Codec[os.FileMode]{Placeholder: "MODE", Parse: socket.ParseMode, Format: socket.FormatMode}, nil, nil)
)

// Grace is how long a program that lost its socket may go on before it gets
// SIGTERM, and then again before it gets SIGKILL.
const Grace = time.Second

// Shell returns the words that run a command line with the shell.
func Shell(line string) []string { return []string{"/bin/sh", "-c", line} }

// openProgram starts a program on one end of a socket pair or terminal, and
// returns the other.
func openProgram(words []string, ss socket.Settings) (*socket.Socket, error) {
	c := Command{Args: words, Stderr: os.Stderr}
	if c.Terminal, _ = terminalOption.In(ss); c.Terminal {
		t, err := OpenTerminal()
		if err != nil {
			return nil, err
		}
		defer t.Device.Close()
		c.Stderr = t.Device
		return c.on(t.Socket, t.Device)
	}
	ours, theirs, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	end, err := Descriptor(theirs)
	if err != nil {
		ours.Close()
		return nil, err
	}
	defer end.Close()
	if on, _ := stderrOption.In(ss); on {
		c.Stderr = end
	}
	return c.on(ours, end)
}

// on starts the program on the far end of a channel, and returns the near one.
func (c Command) on(near *socket.Socket, far *os.File) (*socket.Socket, error) {
	c.Stdin, c.Stdout = far, far
	p, err := Start(c)
	if err != nil {
		near.Close()
		return nil, err
	}
	return socket.Wrap(&endpoint{Endpoint: near, process: p}, near.Kind()), nil
}

// Descriptor takes a socket's descriptor for a program: blocking, as programs
// expect. The socket is closed by it.
func Descriptor(s *socket.Socket) (*os.File, error) {
	fd, err := s.Detach()
	if err != nil {
		return nil, err
	}
	if err := setBlocking(fd); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// endpoint is the socket to a program, which ends with it.
type endpoint struct {
	socket.Endpoint
	process *Process
	once    sync.Once
}

// Unwrap makes the capabilities of the socket visible.
func (e *endpoint) Unwrap() socket.Endpoint { return e.Endpoint }

// Close closes the socket, then sees to it that the program ends.
func (e *endpoint) Close() error {
	err := e.Endpoint.Close()
	e.once.Do(func() { e.process.End(Grace) })
	return err
}

// openDevice opens pty:PATH. This process keeps the device open itself, so
// that programs come and go; the end is when this end closes.
func openDevice(target socket.Target) (*socket.Socket, error) {
	path := target.Endpoint
	if path == "" {
		return nil, socket.EndpointErrorf("no path was given: write pty:path, where other programs will find the terminal")
	}
	t, err := OpenTerminal()
	if err != nil {
		return nil, err
	}
	if err := prepareDevice(t.Device, path, target.Settings); err != nil {
		t.Close()
		return nil, err
	}
	device := t.Device.Name()
	t.OnClose(func() {
		// Somebody may have put something else there.
		if to, err := os.Readlink(path); err == nil && to == device {
			os.Remove(path)
		}
		t.Device.Close()
	})
	return t.Socket, nil
}

func prepareDevice(device *os.File, path string, ss socket.Settings) error {
	if raw, given := rawOption.In(ss); raw || !given {
		if err := setRaw(device); err != nil {
			return err
		}
	}
	if mode, given := modeOption.In(ss); given {
		if err := device.Chmod(mode); err != nil {
			return err
		}
	}
	err := os.Symlink(device.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return &socket.Advised{Err: err, Advice: "remove what is there, or choose another path"}
	}
	return err
}
