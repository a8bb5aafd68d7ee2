package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"zocalo/socket"
)

// A Command says which program to start, and with what.
type Command struct {
	// Args are the program and its arguments. A program without a slash is
	// looked for in PATH, a relative path is one from Dir.
	Args []string

	// Stdin, Stdout and Stderr become descriptors 0, 1 and 2; nil means
	// /dev/null. They stay the caller's, who may close them after Start. None
	// may be in nonblocking mode, since Start makes them block.
	Stdin, Stdout, Stderr *os.File

	// Files become descriptors 3, 4 and so on.
	Files []*os.File

	// FileNames, if not nil, tells the program of Files as systemd does, see
	// sd_listen_fds(3): LISTEN_FDS is their number, LISTEN_FDNAMES are these
	// names, and LISTEN_PID is the program's own number. It needs [Shim].
	FileNames []string

	// Dir is the working directory; "" means the caller's.
	Dir string

	// Session makes the program the leader of a session of its own.
	Session bool

	// Env is the environment, as "NAME=value"; nil means the caller's.
	Env []string

	// User is who runs the program; nil means the caller. It needs root,
	// unless it is the caller.
	User *User

	// Umask are the permissions that files made by the program do not have,
	// see umask(2); nil means the caller's. It needs [Shim].
	Umask *fs.FileMode

	// Limits are set before the program begins. They need [Shim].
	Limits []Limit

	// Terminal makes the program the leader of a session whose terminal is
	// Stdin, see [OpenTerminal].
	Terminal bool
}

// Check reports why the command could not be started, as far as that can be
// told before: a program that is not there or not executable, a directory
// that is none, a user that this process may not become, a limit that it may
// not raise.
func (c *Command) Check() error {
	if err := c.check(); err != nil {
		return err
	}
	_, err := c.path()
	return err
}

// check is Check, but for the program.
func (c *Command) check() error {
	if c.Dir != "" {
		info, err := os.Stat(c.Dir)
		if err != nil {
			return fmt.Errorf("working folder %s: %w", c.Dir, err.(*fs.PathError).Err)
		}
		if !info.IsDir() {
			return fmt.Errorf("working folder %s: %w", c.Dir, syscall.ENOTDIR)
		}
	}
	if c.User != nil && os.Geteuid() != 0 && (c.User.UID != os.Geteuid() || c.User.GID != os.Getegid()) {
		return &socket.HintError{Err: fmt.Errorf("become %v: %w", c.User, syscall.EPERM), Hint: "only root may become another user or group"}
	}
	if c.shimmed() && !shimCalled.Load() {
		return errors.New("a umask, limits and LISTEN_PID need the program to call process.Shim first in main")
	}
	for _, l := range c.Limits {
		if err := l.check(); err != nil {
			return err
		}
	}
	return nil
}

// shimmed reports whether the command needs the shim.
func (c *Command) shimmed() bool {
	return c.Umask != nil || len(c.Limits) > 0 || c.FileNames != nil
}

// shimCalled says that the program called Shim.
var shimCalled atomic.Bool

// path finds the program.
func (c *Command) path() (string, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return "", errors.New("no program was named")
	}
	name := c.Args[0]
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		name = filepath.Join(c.Dir, name)
		if !filepath.IsAbs(name) {
			name = "./" + name
		}
	}
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", c.startError(err)
	}
	return path, nil
}

func (c *Command) startError(err error) error {
	cause := err
	var missing *exec.Error
	if errors.As(err, &missing) {
		cause = missing.Err
	}
	text := fmt.Errorf("start %q: %w", c.Args[0], cause)
	switch {
	case errors.As(err, &missing) && errors.Is(err, exec.ErrNotFound) && !strings.Contains(c.Args[0], "/"):
		return &socket.HintError{Err: &absent{c.Args[0], err}, Hint: "give its path, or install it"}
	case errors.As(err, &missing) && errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &socket.HintError{Err: text, Hint: "give its path, or put it in PATH"}
	case errors.Is(err, fs.ErrPermission) && c.Dir != "" && c.User != nil:
		// The system tells no more than that either was refused.
		return &socket.HintError{Err: text, Hint: fmt.Sprintf("%v must be allowed to enter %s and to execute the program", c.User, c.Dir)}
	case errors.Is(err, fs.ErrPermission):
		return &socket.HintError{Err: text, Hint: "it must be executable"}
	case errors.Is(err, syscall.ENOEXEC):
		return &socket.HintError{Err: text, Hint: "it must be a program, or begin with #! and the path of one"}
	}
	return text
}

// absent says that no program of a name is found.
type absent struct {
	name string
	err  error
}

func (e *absent) Error() string { return fmt.Sprintf("there is no program %q in PATH", e.name) }
func (e *absent) Unwrap() error { return e.err }

// environment returns the program's environment, but for LISTEN_PID.
func (c *Command) environment() []string {
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	if c.FileNames != nil {
		env = append(env[:len(env):len(env)],
			"LISTEN_FDS="+strconv.Itoa(len(c.Files)), "LISTEN_FDNAMES="+strings.Join(c.FileNames, ":"))
	}
	return env
}
