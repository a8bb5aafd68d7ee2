package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zocalo/internal/accept"
	"zocalo/record"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/serve"
	"zocalo/server"
	"zocalo/service"
	"zocalo/service/verb"
	"zocalo/socket"
)

// serveRun is the verb serve: a program for each connection.
type serveRun struct {
	*app
	verb.Serve
	printing  printing
	recording recordingFlags
	recorder  *recorder
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

` + recordHelp + ` The
program then has a socket pair to this one, which copies, for descriptors 0 and 1.

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
			s.sayPlain(args[0], "tcp")
			if err := s.Prepare(args[0], args[1:]); err != nil {
				return asked(err)
			}
			if err := s.recording.printable(&s.printing); err != nil {
				return err
			}
			if printed, err := s.printing.print(s.app, service.Service{From: args[:1], Command: args[1:]}); printed {
				return err
			}
			return s.record(cmd)
		},
	}
	s.printing.flag(cmd, declared(cmd, s.Declare))
	s.recording.flags(cmd)
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

// record runs with the recording that is asked for.
func (s *serveRun) record(cmd *cobra.Command) (err error) {
	if s.recorder, err = s.recording.recorder(s.app, cmd, false); err != nil {
		return err
	}
	if s.recorder != nil {
		if s.Wait || s.Activate {
			return usagef("--record: where the program accepts connections itself (--wait, --activate), nothing passes here")
		}
		s.Program.Joining = s.join
	}
	return s.recorder.close(s.run(s.recorder.context(cmd.Context(), &s.recording)))
}

// join has the recording see a connection and its program.
func (s *serveRun) join(c, program *socket.Socket, o *join.Options) func(outcome.Result, error) {
	texts := [2]string{"", strings.Join(s.Program.Command.Args, " ")}
	return s.recorder.Join(record.Info{Ends: [2]*socket.Socket{c, program}, Texts: texts}, o).End
}

// run serves the address until a signal, or until it fails.
func (s *serveRun) run(ctx context.Context) error {
	s.Program.Log = s.log
	var pairs held
	handler := func(ctx context.Context, c *socket.Socket) {
		defer pairs.add(c, countedByTCP(c))()
		if err := s.Program.Serve(ctx, c); err != nil && ctx.Err() == nil {
			s.log.Error("cannot run the program for a connection", "peer", accept.PeerText(c), "error", err)
		}
	}
	srv := s.serverOf(s.Serving, handler)
	srv.MaxConns = s.Places()
	sessions := &server.Sessions{
		Handler: handler, Idle: s.Idle, Max: srv.MaxConns, MaxPerPeer: srv.MaxConnsPerPeer, Drain: srv.Drain, Allow: srv.Allow, Deny: srv.Deny, Log: s.log,
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

	l, err := s.listenOn(ctx, s.Address, &s.Lists, false)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := s.recorder.start(); err != nil {
		return err
	}
	defer s.tell("serve", pairs.rows)()
	typ := l.Sockets()[0].Type()
	if err := s.CheckType(typ); err != nil {
		return asked(err)
	}
	switch {
	case s.Wait:
		return s.Program.ServeListener(ctx, handling, serve.Wait, l.Sockets()...)
	case s.Activate:
		return s.Program.ServeListener(ctx, handling, serve.Activate, l.Sockets()...)
	case s.Program.Terminal && !s.quiet && !s.json:
		s.sayf("from a terminal, talk to it with zocalo talk --raw %s:%v", s.Address.Scheme.Name, l.Sockets()[0].Name())
	case typ == socket.Datagram:
		return sessions.Serve(ctx, l.Sockets()...)
	}
	return srv.Serve(ctx, s.Program.Accepting(l))
}
