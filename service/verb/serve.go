package verb

import (
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"zocalo/address"
	"zocalo/process"
	"zocalo/serve"
	"zocalo/server"
	"zocalo/socket"
)

// A Serve is the verb serve: a program for each connection.
type Serve struct {
	Serving

	Program serve.Program
	Address address.Address

	// Wait and Activate hand over the listening sockets themselves.
	Wait, Activate bool

	// Idle ends the session of a datagram peer.
	Idle time.Duration

	shell               bool
	user, group, umask  string
	environment, limits []string

	options *Options
}

// Declare declares the options.
func (s *Serve) Declare(o *Options) {
	s.options = o
	s.Serving.Declare(o)
	o.Flag(&s.shell, "shell", "COMMAND is a command line for /bin/sh")
	o.Flag(&s.Program.Terminal, "pty", "give the program a pseudo-terminal, standard error included")
	o.Var(NewValue(&s.Program.Stderr, serve.Log, Choice[serve.Stderr]("log", "socket", "discard")), "stderr", "where the program's standard error goes: log, socket or discard")
	o.Text(&s.user, "uid", "run the program as this `USER`, by name or number (needs root)")
	o.Text(&s.group, "gid", "run the program in this `GROUP` only (needs root)")
	o.Text(&s.Program.Command.Dir, "dir", "the program's working `FOLDER`")
	o.Texts(&s.environment, "env", "set `NAME=VALUE` in the program's environment; NAME alone removes it")
	o.Text(&s.umask, "umask", "the program's umask, an octal `MASK` such as 027")
	o.Texts(&s.limits, "limit", "limit a resource, `NAME=VALUE` or NAME=SOFT:HARD: "+strings.Join(process.LimitNames(), ", "))
	o.Var(NewValue(&s.Program.MaxProcs, 0, AtLeast(0)), "max-procs", "programs running at once; 0 is no limit but --max-conns")
	o.Var(NewValue(&s.Program.Timeout, 0, Time), "timeout", "end a program after this long: SIGTERM to its process group, SIGKILL 2s later; 0 is never")
	o.Var(NewValue(&s.Idle, server.DefaultIdle, SomeTime), "idle", "end a datagram peer's program after this long without traffic")
	o.Flag(&s.Wait, "wait", "pass the listening socket itself, like inetd's wait: the program accepts")
	o.Flag(&s.Activate, "activate", "pass the listening sockets as systemd does: descriptors from 3 up, LISTEN_FDS")
}

// Prepare reads the address, and makes the program of the command.
func (s *Serve) Prepare(text string, command []string) error {
	if err := s.exclusions(); err != nil {
		return err
	}
	if err := s.prepareProgram(command); err != nil {
		return err
	}
	a, err := Read(text, "tcp")
	if err != nil {
		return err
	}
	if s.Serving, err = s.At(a); err != nil {
		return err
	}
	once, _ := a.IsOnce()
	switch {
	case a.Scheme.NoListen:
		return usagef("%s: it cannot listen: give a server's address, such as tcp:5346", text)
	case once:
		return usagef("%s: serve takes no once: it runs until a signal", text)
	case s.Program.Terminal && a.Scheme.Type != socket.Stream:
		return usagef("%s: --pty needs a stream: a terminal has no messages", text)
	}
	s.Address = a
	return nil
}

func (s *Serve) prepareProgram(command []string) error {
	p := &s.Program
	p.Command.Args = command
	if s.shell {
		p.Command.Args = process.Shell(strings.Join(command, " "))
	}
	if s.umask != "" {
		mode, err := strconv.ParseUint(s.umask, 8, 16)
		if err != nil || mode > 0o777 {
			return usagef("--umask %q: it must be octal, from 0 to 777", s.umask)
		}
		mask := fs.FileMode(mode)
		p.Command.Umask = &mask
	}
	for _, text := range s.limits {
		l, err := process.ParseLimit(text)
		if err != nil {
			if name, ok := strings.CutPrefix(err.Error(), "limit "); ok {
				return usagef("--limit %s", name)
			}
			return usagef("--limit: %w", err)
		}
		p.Command.Limits = append(p.Command.Limits, l)
	}
	var err error
	if p.Command.User, err = process.LookupUser(s.user, s.group); err != nil {
		return &UsageError{err}
	}
	for _, change := range s.environment {
		name, _, _ := strings.Cut(change, "=")
		switch {
		case name == "":
			return usagef("--env %q: write NAME=VALUE, or NAME to remove it", change)
		case serve.TellsPeer(name):
			return usagef("--env %q: %s describes the connection, and serve sets it", change, name)
		}
	}
	p.Command.Env = environment(append(p.Command.User.Login(), s.environment...))
	return p.Command.Check()
}

// exclusions refuses options that would do nothing.
func (s *Serve) exclusions() error {
	switch p := &s.Program; {
	case p.Terminal && s.options.Given("stderr") && p.Stderr != serve.Discard:
		return usagef("--pty sends standard error to the terminal: --stderr can only be discard")
	case s.Activate && s.options.Given("max-procs"):
		return usagef("--max-procs has no meaning with --activate: one program runs at a time")
	case s.Activate && p.Stderr == serve.Socket:
		return usagef("--stderr socket cannot be used with --activate: the sockets listen")
	}
	if s.Wait || s.Activate {
		err := s.options.refuse("cannot be used where the program accepts connections itself (--wait, --activate)", "max-conns", "max-conns-per-peer", "allow", "deny", "pty", "idle")
		if err != nil {
			return err
		}
	}
	return s.options.exclusive("wait", "activate")
}

// CheckType refuses a listener's sockets of a type with which the options make no
// sense. What only opening an address tells is not known before.
func (s *Serve) CheckType(t socket.Type) error {
	switch {
	case t == socket.Raw:
		return usagef("%v: serve needs a stream, datagrams or messages: a raw socket has no peers", s.Address)
	case t != socket.Datagram && s.options.Given("idle"):
		return usagef("%v: --idle is for datagram sessions: use --timeout", s.Address)
	}
	return nil
}

// Places is how many connections are served at once.
func (s *Serve) Places() int {
	if most := s.Program.MaxProcs; most > 0 {
		return min(s.MaxConns, most)
	}
	return s.MaxConns
}

// environment changes this program's environment for another: NAME=VALUE sets a
// variable, NAME takes it away.
func environment(changes []string) []string {
	env := os.Environ()
	for _, change := range changes {
		name, _, set := strings.Cut(change, "=")
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if set {
			env = append(env, change)
		}
	}
	return env
}
