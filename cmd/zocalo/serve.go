package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zocalo/address"
	"zocalo/process"
	"zocalo/serve"
	"zocalo/server"
	"zocalo/socket"
)

// serveRun is the verb serve: a program for each connection.
type serveRun struct {
	*app
	serving

	shell, terminal bool
	wait, activate  bool
	stderr          string
	user, group     string
	dir, umask      string
	env, limits     []string
	maxProcs        int
	timeout, idle   time.Duration

	program serve.Program

	idleGiven bool // --idle stands in the command line
}

func (a *app) serveVerb() *cobra.Command {
	s := &serveRun{app: a}
	cmd := &cobra.Command{
		Use:   "serve ADDRESS [flags] -- COMMAND...",
		Short: "Run a program for each connection, its descriptors on the socket",
		Long: `serve runs a program for each connection, as inetd does: the program's standard
input and output are the socket itself. The environment tells who connected:
ZOCALO_PEER, and PROTO, TCPREMOTEIP, TCPREMOTEPORT and their kin of UCSPI.

For an address without connections, as udp:, there is a program for each peer,
until it is idle for --idle.

SIGINT and SIGTERM end it once the programs that run have ended. After --drain
they get SIGTERM, and 2s later SIGKILL; a second signal does that at once.`,
		Example: `  zocalo serve tcp:any:7 -- cat
  zocalo serve unix:/run/date.sock,mode=0666 --uid nobody -- date
  zocalo serve tcp:0 --shell -- 'echo "you are $TCPREMOTEIP"; uptime'
  zocalo serve tcp:9418 --max-procs 20 --timeout 10m -- git daemon --inetd /srv/git
  zocalo serve tcp:localhost:2323 --pty -- bash -i
  zocalo serve tcp:8080 --activate -- my-web-server`,
		ValidArgsFunction: completeAddresses(1),
		Args:              serveArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.prepare(cmd, args[1:]); err != nil {
				return err
			}
			return s.run(cmd.Context(), args[0])
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&s.shell, "shell", false, "COMMAND is a line for /bin/sh")
	f.BoolVar(&s.terminal, "pty", false, "give the program a pseudo-terminal, standard error included")
	f.StringVar(&s.stderr, "stderr", "log", "where standard error goes: log, socket or discard")
	f.StringVar(&s.user, "uid", "", "run the program as this user, a name or a number (needs root)")
	f.StringVar(&s.group, "gid", "", "run the program in this group, and no other (needs root)")
	f.StringVar(&s.dir, "dir", "", "the program's working directory")
	f.StringArrayVar(&s.env, "env", nil, "a variable NAME=VALUE of the program's environment; NAME alone takes it away")
	f.StringVar(&s.umask, "umask", "", "permissions that the program's files do not have, as 027")
	f.StringArrayVar(&s.limits, "limit", nil, "bound a resource, NAME=VALUE or NAME=SOFT:HARD: "+strings.Join(process.LimitNames(), ", "))
	f.IntVar(&s.maxProcs, "max-procs", 0, "programs that run at once, 0 for no bound but --max-conns")
	f.DurationVar(&s.timeout, "timeout", 0, "end a program that runs for so long: SIGTERM to its process group, SIGKILL 2s later; 0 for never")
	f.DurationVar(&s.idle, "idle", server.DefaultIdle, "end the program of a datagram peer when nothing passed for so long")
	f.BoolVar(&s.wait, "wait", false, "hand the listening socket itself over, as inetd's wait: the program accepts")
	f.BoolVar(&s.activate, "activate", false, "hand the listening sockets over as systemd does: descriptors from 3 on, LISTEN_FDS")
	return cmd
}

// serveArgs checks that there are an address and a command.
func serveArgs(cmd *cobra.Command, args []string) error {
	dash := cmd.ArgsLenAtDash()
	switch {
	case len(args) == 0 || dash == 0:
		return errors.New("no address was given: write serve ADDRESS -- COMMAND")
	case len(args) == 1:
		return fmt.Errorf("no command was given: write serve %s -- COMMAND", args[0])
	case dash > 1:
		return fmt.Errorf("%q stands before --: one address, then --, then the command", args[1])
	}
	return nil
}

// prepare makes the program that the flags ask for.
func (s *serveRun) prepare(cmd *cobra.Command, command []string) error {
	if err := s.exclusions(cmd); err != nil {
		return err
	}
	p := &s.program
	p.Log, p.Terminal, p.MaxProcs, p.Timeout = s.log, s.terminal, s.maxProcs, s.timeout
	p.Command.Args, p.Command.Dir = command, s.dir
	if s.shell {
		p.Command.Args = process.Shell(strings.Join(command, " "))
	}
	var known bool
	if p.Stderr, known = map[string]serve.Stderr{"log": serve.Log, "socket": serve.Socket, "discard": serve.Discard}[s.stderr]; !known {
		return usagef("--stderr %q is none of log, socket and discard", s.stderr)
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
			return usagef("--limit: %w", err)
		}
		p.Command.Limits = append(p.Command.Limits, l)
	}
	var err error
	if p.Command.Env, err = environment(s.env); err != nil {
		return err
	}
	if p.Command.User, err = process.LookupUser(s.user, s.group); err != nil {
		return usageError{err}
	}
	return p.Check()
}

// exclusions refuses flags that would do nothing.
func (s *serveRun) exclusions(cmd *cobra.Command) error {
	switch {
	case s.maxProcs < 0:
		return usagef("--max-procs %d: it must not be negative", s.maxProcs)
	case s.timeout < 0:
		return usagef("--timeout %v: it must not be negative", s.timeout)
	case s.idle <= 0:
		return usagef("--idle %v: it must be more than 0", s.idle)
	case s.wait && s.activate:
		return usagef("--wait and --activate exclude each other: give one")
	case s.terminal && s.stderr == "socket":
		return usagef("--pty puts standard error on the terminal: --stderr socket cannot be besides")
	case s.terminal && cmd.Flags().Changed("stderr") && s.stderr == "log":
		return usagef("--pty puts standard error on the terminal: --stderr log cannot be besides")
	case s.activate && cmd.Flags().Changed("max-procs"):
		return usagef("--max-procs has no meaning with --activate: one program runs at a time")
	}
	s.idleGiven = cmd.Flags().Changed("idle")
	if !s.wait && !s.activate {
		return nil
	}
	for _, name := range []string{"max-conns", "allow", "deny", "pty", "idle"} {
		if cmd.Flags().Changed(name) {
			return usagef("--%s has no meaning where the program accepts itself (--wait, --activate)", name)
		}
	}
	if s.activate && s.stderr == "socket" {
		return usagef("--stderr socket has no meaning with --activate: the sockets listen")
	}
	return nil
}

// run serves the address until a signal, or until it fails.
func (s *serveRun) run(ctx context.Context, text string) error {
	a, err := address.Parse(text)
	if err != nil {
		return usageError{err}
	}
	once, _ := a.IsOnce()
	switch {
	case a.Scheme.NoListen:
		return usagef("%s: it cannot listen: give the address of a server, as tcp:5346", text)
	case once:
		return usagef("%s: once has no meaning for serve: it serves until a signal", text)
	}
	handler := func(ctx context.Context, c *socket.Socket) {
		if err := s.program.Serve(ctx, c); err != nil && ctx.Err() == nil {
			s.log.Error("a connection has no program", "peer", server.PeerText(c), "error", err)
		}
	}
	srv, err := s.server(s.app, handler)
	if err != nil {
		return err
	}
	if s.maxProcs > 0 {
		srv.MaxConns = min(srv.MaxConns, s.maxProcs)
	}
	sessions := &server.Sessions{
		Handler: handler, Idle: s.idle, Max: srv.MaxConns, Drain: srv.Drain, Allow: srv.Allow, Deny: srv.Deny, Log: s.log,
	}
	handling, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	ctx, stop := untilSignal(ctx, func(stopped) {
		srv.Abort()
		sessions.Abort()
		abort()
	})
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(srv.Drain, abort) })()

	l, err := s.listenOn(ctx, text)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := s.checkLists(srv, l.kinds()...); err != nil {
		return err
	}
	typ := l.Sockets()[0].Type()
	switch {
	case typ == socket.Raw:
		return usagef("%s: serve needs a stream, datagrams or messages: a raw socket has no peers", text)
	case s.idleGiven && typ != socket.Datagram:
		return usagef("%s: --idle is for sessions of datagrams: use --timeout", text)
	case s.terminal && typ != socket.Stream:
		return usagef("%s: --pty needs a stream: a terminal has no messages", text)
	case s.wait:
		return s.program.ServeListener(ctx, handling, serve.Wait, l.Sockets()...)
	case s.activate:
		return s.program.ServeListener(ctx, handling, serve.Activate, l.Sockets()...)
	case typ == socket.Datagram:
		return sessions.Serve(ctx, l.Sockets()...)
	}
	return srv.Serve(ctx, l)
}

// environment changes this program's environment for another; nil if there is
// nothing to change.
func environment(changes []string) ([]string, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	env := os.Environ()
	for _, change := range changes {
		name, _, set := strings.Cut(change, "=")
		if name == "" {
			return nil, usagef("--env %q: write NAME=VALUE, or NAME to take it away", change)
		}
		if serve.TellsPeer(name) {
			return nil, usagef("--env %q: %s tells the program of its connection, and serve sets it", change, name)
		}
		kept := env[:0]
		for _, v := range env {
			if !strings.HasPrefix(v, name+"=") {
				kept = append(kept, v)
			}
		}
		if env = kept; set {
			env = append(env, change)
		}
	}
	return env, nil
}
