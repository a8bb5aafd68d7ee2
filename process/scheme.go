package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"zocalo/socket"
)

func init() {
	socket.RegisterScheme(&socket.Scheme{
		Name: "exec", Endpoint: "command", Doc: "a program, its standard input and output on a socket",
		Type: socket.Stream, NoListen: true, Options: []*socket.Spec{stderrOption.Spec},
		Open: func(_ context.Context, t socket.Target) (*socket.Socket, error) {
			words, err := Words(t.Endpoint)
			if err == nil && len(words) == 0 {
				err = errors.New("no command was given: write exec:command")
			}
			if err != nil {
				return nil, err
			}
			return open(words, t.Settings)
		},
	})
	socket.RegisterScheme(&socket.Scheme{
		Name: "shell", Aliases: []string{"system"}, Endpoint: "command", Doc: "a command of the shell, its standard input and output on a socket",
		Type: socket.Stream, NoListen: true, Options: []*socket.Spec{stderrOption.Spec},
		Open: func(_ context.Context, t socket.Target) (*socket.Socket, error) {
			if t.Endpoint == "" {
				return nil, errors.New("no command was given: write shell:command")
			}
			return open([]string{"/bin/sh", "-c", t.Endpoint}, t.Settings)
		},
	})
}

var stderrOption = socket.NewOption(socket.Spec{
	Name: "stderr", Phase: socket.Naming, Default: "off: it goes where this program's goes",
	Doc: "put the program's standard error on the socket too",
}, socket.Flag, nil, nil)

// Grace is how long a program that lost its socket may go on before it gets
// SIGTERM, and then again before it gets SIGKILL.
const Grace = time.Second

// open starts a program on one end of a socket pair, and returns the other.
func open(words []string, ss socket.Settings) (*socket.Socket, error) {
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
	c := Command{Args: words, Stdin: end, Stdout: end, Stderr: os.Stderr}
	if on, _ := stderrOption.In(ss); on {
		c.Stderr = end
	}
	p, err := Start(c)
	if err != nil {
		ours.Close()
		return nil, err
	}
	return socket.Wrap(&endpoint{Endpoint: ours, process: p}, ours.Kind()), nil
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
