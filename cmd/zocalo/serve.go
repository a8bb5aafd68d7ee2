package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zocalo/internal/accept"
	"zocalo/process"
	"zocalo/serve"
	"zocalo/server"
	"zocalo/socket"
)

// serveRun is the verb serve: a program for each connection.
type serveRun struct {
	*app
	serving

	program serve.Program

	shell, wait, activate bool
	user, group, umask    string
	env, limits           []string
	idle                  time.Duration
	idleGiven             bool // --idle stands in the command line
}

func (a *app) serveVerb() *cobra.Command {
	s := &serveRun{app: a}
	cmd := &cobra.Command{
		Use:     "serve ADDRESS | PORT [flags] -- COMMAND...",
		Aliases: []string{"s"},
		Short:   "Run a program for each connection, on descriptors 0 and 1",
		Long: `serve runs a program for each connection, as inetd does: the program's standard
input and output are the socket itself. The environment says who connected:
ZOCALO_PEER, and UCSPI's PROTO, TCPREMOTEIP, TCPREMOTEPORT and so on. PORT means
tcp:PORT on localhost; any:PORT is every interface.

On a connectionless address, such as udp:, each peer has its own program, which is
ended after --idle without traffic.

On SIGINT or SIGTERM it stops accepting and exits when all programs have ended.
After --drain they get SIGTERM, and 2s later SIGKILL; a second signal does that at
once.`,
		Example: `  zocalo serve tcp:any:7 -- cat
  zocalo serve unix:/run/date.sock,mode=0666 --uid nobody -- date
  zocalo serve tcp:0 --shell -- 'echo "you are $TCPREMOTEIP"; uptime'
  zocalo serve tcp:9418 --max-procs 20 -- git daemon --inetd /srv/git
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
	f.BoolVar(&s.shell, "shell", false, "COMMAND is a command line for /bin/sh")
	f.BoolVar(&s.program.Terminal, "pty", false, "give the program a pseudo-terminal, standard error included")
	f.Var(value(&s.program.Stderr, serve.Log, choice[serve.Stderr]("log", "socket", "discard")), "stderr", "where the program's standard error goes: log, socket or discard")
	f.StringVar(&s.user, "uid", "", "run the program as this user, by name or number (needs root)")
	f.StringVar(&s.group, "gid", "", "run the program in this group alone (needs root)")
	f.StringVar(&s.program.Command.Dir, "dir", "", "the program's working directory")
	f.StringArrayVar(&s.env, "env", nil, "set NAME=VALUE in the program's environment; NAME alone removes it")
	f.StringVar(&s.umask, "umask", "", "the program's umask, such as 027")
	f.StringArrayVar(&s.limits, "limit", nil, "limit a resource, NAME=VALUE or NAME=SOFT:HARD: "+strings.Join(process.LimitNames(), ", "))
	f.Var(value(&s.program.MaxProcs, 0, atLeast(0)), "max-procs", "programs running at once; 0 is no limit but --max-conns")
	f.Var(value(&s.program.Timeout, 0, aTime), "timeout", "end a program after this long: SIGTERM to its process group, SIGKILL 2s later; 0 is never")
	f.Var(value(&s.idle, server.DefaultIdle, someTime), "idle", "end a datagram peer's program after this long without traffic")
	f.BoolVar(&s.wait, "wait", false, "pass the listening socket itself, like inetd's wait: the program accepts")
	f.BoolVar(&s.activate, "activate", false, "pass the listening sockets as systemd does: descriptors from 3 up, LISTEN_FDS")
	return cmd
}

// serveArgs checks that there are an address and a command.
func serveArgs(cmd *cobra.Command, args []string) error {
	dash := cmd.ArgsLenAtDash()
	switch {
	case len(args) == 0 || dash == 0:
		return errors.New("no address given: write serve ADDRESS -- COMMAND")
	case len(args) == 1:
		return fmt.Errorf("no command given: write serve %s -- COMMAND", args[0])
	case dash > 1:
		return fmt.Errorf("unexpected %q before --: write serve ADDRESS -- COMMAND", args[1])
	}
	return nil
}

// prepare makes the program that the flags ask for.
func (s *serveRun) prepare(cmd *cobra.Command, command []string) error {
	if err := s.exclusions(cmd); err != nil {
		return err
	}
	p := &s.program
	p.Log, p.Command.Args = s.log, command
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
			return usagef("--limit: %w", err)
		}
		p.Command.Limits = append(p.Command.Limits, l)
	}
	var err error
	if p.Command.User, err = process.LookupUser(s.user, s.group); err != nil {
		return usageError{err}
	}
	for _, change := range s.env {
		name, _, _ := strings.Cut(change, "=")
		switch {
		case name == "":
			return usagef("--env %q: write NAME=VALUE, or NAME to remove it", change)
		case serve.TellsPeer(name):
			return usagef("--env %q: %s describes the connection, and serve sets it", change, name)
		}
	}
	p.Command.Env = environment(append(p.Command.User.Login(), s.env...))
	return p.Command.Check()
}

// exclusions refuses flags that would do nothing.
func (s *serveRun) exclusions(cmd *cobra.Command) error {
	switch p := &s.program; {
	case p.Terminal && cmd.Flags().Changed("stderr") && p.Stderr != serve.Discard:
		return usagef("--pty sends standard error to the terminal: --stderr can only be discard")
	case s.activate && cmd.Flags().Changed("max-procs"):
		return usagef("--max-procs has no meaning with --activate: one program runs at a time")
	case s.activate && p.Stderr == serve.Socket:
		return usagef("--stderr socket cannot be used with --activate: the sockets listen")
	}
	s.idleGiven = cmd.Flags().Changed("idle")
	if s.wait || s.activate {
		err := refuse(cmd, "cannot be used where the program accepts connections itself (--wait, --activate)", "max-conns", "max-conns-per-peer", "allow", "deny", "pty", "idle")
		if err != nil {
			return err
		}
	}
	return exclusive(cmd, "wait", "activate")
}

// run serves the address until a signal, or until it fails.
func (s *serveRun) run(ctx context.Context, text string) error {
	a, err := s.plainly(text, "tcp")
	if err != nil {
		return err
	}
	if s.serving, err = s.at(a); err != nil {
		return err
	}
	once, _ := a.IsOnce()
	switch {
	case a.Scheme.NoListen:
		return usagef("%s: it cannot listen: give a server's address, such as tcp:5346", text)
	case once:
		return usagef("%s: serve takes no once: it runs until a signal", text)
	}
	var pairs held
	handler := func(ctx context.Context, c *socket.Socket) {
		defer pairs.add(c, countedByTCP(c))()
		if err := s.program.Serve(ctx, c); err != nil && ctx.Err() == nil {
			s.log.Error("cannot run the program for a connection", "peer", accept.PeerText(c), "error", err)
		}
	}
	srv := s.server(s.app, handler)
	if most := s.program.MaxProcs; most > 0 {
		srv.MaxConns = min(srv.MaxConns, most)
	}
	sessions := &server.Sessions{
		Handler: handler, Idle: s.idle, Max: srv.MaxConns, MaxPerPeer: srv.MaxConnsPerPeer, Drain: srv.Drain, Allow: srv.Allow, Deny: srv.Deny, Log: s.log,
	}
	handling, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	ctx, stop := s.drained(ctx, srv.Drain, func(stopped) {
		srv.Abort()
		sessions.Abort()
		abort()
	})
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(srv.Drain, abort) })()

	if s.program.Terminal && a.Scheme.Type != socket.Stream {
		return usagef("%s: --pty needs a stream: a terminal has no messages", text)
	}
	l, err := s.listenOn(ctx, a, &s.lists, false)
	if err != nil {
		return err
	}
	defer l.Close()
	defer s.tell("serve", pairs.rows)()
	typ := l.Sockets()[0].Type()
	switch {
	case typ == socket.Raw:
		return usagef("%s: serve needs a stream, datagrams or messages: a raw socket has no peers", text)
	case s.idleGiven && typ != socket.Datagram:
		return usagef("%s: --idle is for datagram sessions: use --timeout", text)
	case s.wait:
		return s.program.ServeListener(ctx, handling, serve.Wait, l.Sockets()...)
	case s.activate:
		return s.program.ServeListener(ctx, handling, serve.Activate, l.Sockets()...)
	case s.program.Terminal && !s.quiet && !s.json:
		s.sayf("from a terminal, talk to it by zocalo talk --raw %s:%v", a.Scheme.Name, l.Sockets()[0].Name())
	case typ == socket.Datagram:
		return sessions.Serve(ctx, l.Sockets()...)
	}
	return srv.Serve(ctx, s.program.Accepting(l))
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
