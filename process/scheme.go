package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/codec"
	"zocalo/internal/users"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// Register makes the schemes exec, shell and pty known to package socket: from then on
// any part of this program that dials an address which somebody else has written runs
// the command in it. So it is for the program to call, as in its main; no package of
// this module does. Calls after the first do nothing.
func Register() { register() }

var register = sync.OnceFunc(func() {
	programOptions := []*option.Spec{stderrOption.Spec, terminalOption.Spec, rawTerminalOption.Spec, pipesOption.Spec, folderOption.Spec, sessionOption.Spec, userOption.Spec, groupOption.Spec}
	scheme.Register(&scheme.Scheme{
		Name: "exec", Endpoint: "command", Doc: "a program, its standard input and output on a socket",
		Type: socket.Stream, NoListen: true, Program: true, Options: programOptions,
		Open: func(ctx context.Context, t scheme.Target) (*socket.Socket, error) {
			words, err := Words(t.Endpoint)
			switch {
			case err != nil:
				return nil, scheme.EndpointErrorf("%v", err)
			case len(words) == 0:
				return nil, scheme.EndpointErrorf("no command was given: write exec:command")
			}
			return openProgram(ctx, words, t.Settings, false)
		},
	})
	scheme.Register(&scheme.Scheme{
		Name: "shell", Aliases: []string{"system"}, Endpoint: "command", Doc: "a command of the shell, its standard input and output on a socket",
		Type: socket.Stream, NoListen: true, Program: true, Options: programOptions,
		Open: func(ctx context.Context, t scheme.Target) (*socket.Socket, error) {
			if t.Endpoint == "" {
				return nil, scheme.EndpointErrorf("no command was given: write shell:command")
			}
			return openProgram(ctx, Shell(t.Endpoint), t.Settings, true)
		},
	})
	scheme.Register(&scheme.Scheme{
		Name: "pty", Endpoint: "path, or nothing", Doc: "a new pseudo-terminal; a symbolic link at the path leads to the device that other programs open",
		Type: socket.Stream, NoListen: true, Options: []*option.Spec{rawOption.Spec, modeOption.Spec, ownerOption.Spec, ownerGroupOption.Spec},
		Open: openDevice,
	})
})

var (
	stderrOption = option.New(option.Spec{
		Name: "stderr", Phase: option.Naming, Default: "off: it goes where this program's goes",
		Doc: "put the program's standard error on the socket too",
	}, codec.Flag, nil, nil)
	terminalOption = option.New(option.Spec{
		Name: "pty", Phase: option.Naming, Default: "off",
		Doc: "give the program a pseudo-terminal, standard error included",
	}, codec.Flag, nil, nil)
	rawTerminalOption = option.New(option.Spec{
		Name: "raw", Aliases: []string{"rawer", "cfmakeraw"}, Phase: option.Naming, Default: "off",
		Doc: "with pty: the program's terminal does not echo or edit lines",
	}, codec.Flag, nil, nil)
	folderOption = option.New(option.Spec{
		Name: "chdir", Aliases: []string{"cd"}, Phase: option.Naming, Default: "where this program runs",
		Doc: "the folder in which the program runs",
	}, codec.Text.Or("FOLDER"), nil, nil)
	sessionOption = option.New(option.Spec{
		Name: "setsid", Phase: option.Naming, Default: "off: its own process group",
		Doc: "make the program the leader of its own session",
	}, codec.Flag, nil, nil)
	pipesOption = option.New(option.Spec{
		Name: "pipes", Phase: option.Naming, Default: "on for shell, off for exec: one end of a socket pair",
		Doc: "give the program one pipe for input and one for output, which it can also open as /dev/stdin and /dev/stdout; pipes=0 is a socket pair",
	}, codec.Flag, nil, nil)
	userOption = option.New(option.Spec{
		Name: "user", Aliases: []string{"su", "uid"}, Phase: option.Naming, Default: "the user who runs this program",
		Doc: "the user under which the program runs, a name or a number", Privilege: "root",
	}, codec.Text.Or("USER"), nil, nil)
	groupOption = option.New(option.Spec{
		Name: "group", Aliases: []string{"gid"}, Phase: option.Naming, Default: "the user's own",
		Doc: "the group under which the program runs, a name or a number", Privilege: "root",
	}, codec.Text.Or("GROUP"), nil, nil)
	ownerOption = option.New(option.Spec{
		Name: "user", Aliases: []string{"uid"}, Phase: option.Naming, Default: "the user who runs this program",
		Doc: "owner of the device, a name or a number", Privilege: "CAP_CHOWN",
	}, codec.Text.Or("USER"), nil, nil)
	ownerGroupOption = option.New(option.Spec{
		Name: "group", Aliases: []string{"gid"}, Phase: option.Naming, Default: "the system's, usually tty",
		Doc: "group of the device, a name or a number", Privilege: "CAP_CHOWN, unless you are in the group",
	}, codec.Text.Or("GROUP"), nil, nil)
	rawOption = option.New(option.Spec{
		Name: "raw", Aliases: []string{"rawer", "cfmakeraw"}, Phase: option.Naming, Default: "on: every byte passes as it is",
		Doc: "switch off the terminal's own processing: echo, line editing, signals; raw=0 leaves it on",
	}, codec.Flag, nil, nil)
	modeOption = option.New(option.Spec{
		Name: "mode", Aliases: []string{"perm"}, Phase: option.Naming, Default: "the system's, usually 0620",
		Doc: "permissions of the device",
	}, codec.Codec[os.FileMode]{Placeholder: "MODE", Parse: codec.ParseFileMode, Format: codec.FormatFileMode}, nil, nil)
)

// Grace is how long a program that lost its socket may go on before it gets
// SIGTERM, and then again before it gets SIGKILL.
const Grace = time.Second

// Shell returns the words that run a command line with the shell.
func Shell(line string) []string { return []string{"/bin/sh", "-c", line} }

// openProgram starts a program on one end of two pipes, a socket pair or a
// terminal, and returns the other.
func openProgram(ctx context.Context, words []string, ss option.Settings, pipes bool) (*socket.Socket, error) {
	c := Command{Args: words, Stderr: os.Stderr}
	c.Dir, _ = folderOption.In(ss)
	c.Session, _ = sessionOption.In(ss)
	user, _ := userOption.In(ss)
	group, _ := groupOption.In(ss)
	var err error
	if c.User, err = LookupUser(user, group); err != nil {
		return nil, err
	}
	if login := c.User.Login(); login != nil {
		c.Env = append(os.Environ(), login...)
	}
	toSocket, _ := stderrOption.In(ss)
	asked, given := pipesOption.In(ss)
	if given {
		pipes = asked
	}
	switch terminal, _ := terminalOption.In(ss); {
	case terminal && asked:
		return nil, scheme.EndpointErrorf("pty and pipes cannot be combined: give one")
	case terminal:
		t, err := OpenTerminal()
		if err != nil {
			return nil, err
		}
		defer t.Device.Close()
		if raw, _ := rawTerminalOption.In(ss); raw {
			if err := setRaw(t.Device); err != nil {
				t.Close()
				return nil, err
			}
		}
		if of, ok := ctx.Value(sizeKey{}).(*os.File); ok {
			copySize(t.Device, of) // before the program asks for it
		}
		c.Terminal, c.Stderr = true, t.Device
		return c.on(t.Socket, t.Device, t.Device)
	case pipes:
		near, stdin, stdout, err := openPipes()
		if err != nil {
			return nil, err
		}
		defer stdin.Close()
		defer stdout.Close()
		if toSocket {
			c.Stderr = stdout
		}
		return c.on(near, stdin, stdout)
	}
	near, theirs, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	end, err := Descriptor(theirs)
	if err != nil {
		near.Close()
		return nil, err
	}
	defer end.Close()
	if toSocket {
		c.Stderr = end
	}
	return c.on(near, end, end)
}

// on starts the program at the far end of a channel, and returns the near one.
func (c Command) on(near *socket.Socket, stdin, stdout *os.File) (*socket.Socket, error) {
	c.Stdin, c.Stdout = stdin, stdout
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
	ended   atomic.Bool // by a signal that closing the socket has brought about
}

// Unwrap makes the capabilities of the socket visible.
func (e *endpoint) Unwrap() socket.Endpoint { return e.Endpoint }

// Close closes the socket, and returns once the program has ended: by itself, or
// after Grace by a signal.
func (e *endpoint) Close() error { return e.end((*Process).End) }

// Abort closes the socket and ends the program, without the time to do so by
// itself: nobody wants its words any more.
func (e *endpoint) Abort() error { return e.end((*Process).Terminate) }

func (e *endpoint) end(end func(*Process, time.Duration) error) error {
	running := !isClosed(e.process.Exited())
	err := e.Endpoint.Close()
	e.once.Do(func() {
		var exit *ExitError
		if errors.As(end(e.process, Grace), &exit) && exit.Status.Signaled() {
			by := exit.Status.Signal()
			lost := by == syscall.SIGHUP || by == syscall.SIGPIPE
			e.ended.Store(lost && running || int32(by) == e.process.sent.Load())
		}
	})
	return err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Outcome returns the error of what used a socket until it was closed, where a
// program was at its other end: err itself, or how the program ended, see
// [Process.Wait]. That the program took no more is then no error; nor is a program
// that closing the socket has ended.
func Outcome(s *socket.Socket, err error) error {
	e, ok := socket.As[*endpoint](s)
	if !ok || e.ended.Load() || err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	return e.process.Wait()
}

// IsProgram reports whether a program is at the other end of a socket.
func IsProgram(s *socket.Socket) bool {
	_, is := socket.As[*endpoint](s)
	return is
}

// openDevice opens pty:PATH, or pty: alone. This process keeps the device open
// itself, so that programs come and go; the end is when this end closes.
func openDevice(ctx context.Context, target scheme.Target) (*socket.Socket, error) {
	t, err := OpenTerminal()
	if err != nil {
		return nil, err
	}
	path := target.Endpoint
	if err := prepareDevice(t.Device, path, target.Settings); err != nil {
		t.Close()
		return nil, err
	}
	device := t.Device.Name()
	if tell, ok := ctx.Value(terminalKey{}).(func(string)); ok && path == "" {
		tell(device)
	}
	t.OnClose(func() {
		// Somebody may have put something else there.
		if to, err := os.Readlink(path); err == nil && to == device {
			os.Remove(path)
		}
		t.Device.Close()
	})
	return t.Socket, nil
}

func prepareDevice(device *os.File, path string, ss option.Settings) error {
	if raw, given := rawOption.In(ss); raw || !given {
		if err := setRaw(device); err != nil {
			return err
		}
	}
	if err := giveDevice(device, ss); err != nil {
		return err
	}
	if mode, given := modeOption.In(ss); given {
		if err := device.Chmod(mode); err != nil {
			return err
		}
	}
	if path == "" {
		return nil
	}
	err := os.Symlink(device.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return &socket.HintError{Err: err, Hint: "remove what is there, or choose another path"}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &socket.HintError{Err: &fs.PathError{Op: "link the terminal as", Path: path, Err: syscall.ENOENT}, Hint: "make the folder first: " + filepath.Dir(path)}
	}
	return err
}

// giveDevice gives the device its owner.
func giveDevice(device *os.File, ss option.Settings) (err error) {
	uid, gid := -1, -1
	if user, given := ownerOption.In(ss); given {
		if uid, err = users.UID(user); err != nil {
			return err
		}
	}
	if group, given := ownerGroupOption.In(ss); given {
		if gid, err = users.GID(group); err != nil {
			return err
		}
	}
	if uid < 0 && gid < 0 {
		return nil
	}
	if err = device.Chown(uid, gid); errors.Is(err, fs.ErrPermission) {
		return &socket.HintError{Err: err, Hint: "only root may give a device away; group= may be one of your own groups"}
	}
	return err
}
