package main

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/echo"
	"zocalo/frame"
	"zocalo/internal/accept"
	"zocalo/internal/control"
	"zocalo/relay/join"
	"zocalo/server"
	"zocalo/service"
	"zocalo/service/verb"
	"zocalo/socket"
)

// echoing is the verb echo: a server that sends back what it receives.
type echoing struct {
	*app
	verb.Echo
	printing printing

	held   held // of the general path
	serves struct {
		sync.Mutex
		rows []func() []control.Row // of each address on the fast one
	}

	cancel context.CancelFunc
}

func (a *app) echoVerb() *cobra.Command {
	e := &echoing{app: a}
	cmd := &cobra.Command{
		Use:   "echo [ADDRESS...]",
		Short: "Run echo servers of any kind, on any number of addresses",
		Long: `echo sends back what it receives: bytes, messages, urgent data. Without an
address it is the lecture's server on ` + verb.LectureAddress + `. It reports where it
listens and who connects on standard error.

On SIGINT or SIGTERM it stops accepting, waits up to --drain for open connections
to finish, and exits; a second signal ends it at once.`,
		Example: `  zocalo echo
  zocalo echo tcp:0 udp:0 unix:/tmp/echo.sock
  zocalo echo --once --trace
  zocalo echo --json tcp:0 | head -1 | jq -r .address`,
		ValidArgsFunction: completeAddresses(math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.Prepare(args); err != nil {
				return asked(err)
			}
			from := args
			if len(from) == 0 {
				from = []string{verb.LectureAddress}
			}
			if printed, err := e.printing.print(e.app, service.Service{Verb: "echo", From: from}); printed {
				return err
			}
			return e.run(cmd.Context())
		},
	}
	e.printing.flag(cmd, declared(cmd, e.Declare))
	a.pageFlag(cmd)
	return cmd
}

// run serves all addresses until a signal, or until one fails.
func (e *echoing) run(ctx context.Context) error {
	if e.page.asked && !e.trace {
		e.page.trace(nil) // which the page is for, and a class's few connections can bear
	}
	var servers []*server.Server
	ctx, stop := e.drained(ctx, e.Drain, func(stopped) {
		for _, srv := range servers {
			srv.Abort()
		}
	})
	defer stop()
	ctx, e.cancel = context.WithCancel(ctx)
	defer e.cancel()

	var serve []func() error
	var listeners, alike []*passive // alike have the lists of the flags
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for i, a := range e.Addresses {
		own := e.Each[i]
		p, err := e.open(ctx, a)
		if err != nil {
			return err
		}
		if p == nil {
			continue // it was a connection, which is over
		}
		listeners = append(listeners, p)
		if own.Lists == e.Lists {
			alike = append(alike, p)
		} else if err := asked(own.Lists.Check(p.Sockets()...)); err != nil {
			return err
		}
		format, _ := address.Frame.In(p.address.Settings)
		switch p.Sockets()[0].Type() {
		case socket.Stream, socket.SeqPacket:
			srv := e.serverOf(own, func(ctx context.Context, c *socket.Socket) { e.serve(ctx, c, format) })
			servers = append(servers, srv)
			fast, err := e.Fast(p.address, p.Sockets())
			if err != nil {
				return asked(err)
			}
			if fast {
				serve = append(serve, func() error { return e.streams(ctx, srv, p) })
			} else {
				serve = append(serve, func() error { return srv.Serve(ctx, p) })
			}
		case socket.Datagram:
			if _, err := e.Fast(p.address, p.Sockets()); err != nil {
				return asked(err)
			}
			for _, s := range p.Sockets() {
				serve = append(serve, func() error { return e.datagrams(ctx, s, own.Lists) })
			}
		default:
			return fmt.Errorf("%v: echo would answer its own answers, since a raw socket receives what it sends", a)
		}
	}
	if len(alike) > 0 {
		var sockets []*socket.Socket
		for _, p := range alike {
			sockets = append(sockets, p.Sockets()...)
		}
		if err := e.Lists.Check(sockets...); err != nil {
			return asked(err)
		}
	}
	for _, p := range listeners {
		if err := e.sayListening(p); err != nil {
			return err
		}
	}
	defer e.tell("echo", e.rows)()
	endPage, err := e.showPage(&heldPage{held: &e.held, verb: "echo", page: &e.page})
	if err != nil {
		return err
	}
	defer endPage()
	if e.Once {
		for _, srv := range servers {
			srv.MaxConns, srv.Drain = 1, -1 // one at a time, for as long as it takes
		}
	}
	return together(e.cancel, serve)
}

// open listens on an address. One that cannot listen, as standard input and
// output or a program, is a connection: it is served at once.
func (e *echoing) open(ctx context.Context, a address.Address) (*passive, error) {
	if !a.Scheme.NoListen {
		return listenAt(ctx, a, true)
	}
	c, err := zocalo.DialAddress(ctx, a)
	if err != nil {
		return nil, wrongUsage(err)
	}
	defer c.Close()
	format, _ := address.Frame.In(a.Settings)
	if err := e.echoes(ctx, c, format); !canceled(ctx, err) {
		return nil, err
	}
	return nil, nil
}

// serve echoes one connection.
func (e *echoing) serve(ctx context.Context, c *socket.Socket, format frame.Format) {
	peer := accept.PeerText(c)
	if e.Once {
		e.cancel() // accept no other
	}
	if !e.quiet {
		e.sayOften("connected by", peer)
	}
	err := e.echoes(ctx, c, format)
	if canceled(ctx, err) {
		err = nil
	}
	e.ended(peer, err)
}

// echoes sends back what c receives until its end.
func (e *echoing) echoes(ctx context.Context, c *socket.Socket, format frame.Format) error {
	echoer := echo.Echoer{Format: format, Log: e.log, Progress: new(join.Progress)}
	defer e.held.add(c, echoedBy(echoer.Progress))()
	return echoer.Connection(ctx, c)
}

// datagrams echoes the messages that those who are served send to a socket
// without connections.
func (e *echoing) datagrams(ctx context.Context, s *socket.Socket, who verb.Lists) error {
	echoer := echo.Echoer{Log: e.log, Allow: who.Allow, Deny: who.Deny}
	known := peers{}
	echoer.OnMessage = func(peer socket.Name, _ int) {
		if known.isNew(peer) && !e.quiet {
			e.sayOften("connected by", peer.String())
		}
		if e.Once {
			e.cancel()
		}
	}
	return echoer.Datagrams(ctx, s)
}

// peers remembers the senders of datagrams that were named already, a bounded
// number of them.
type peers map[socket.Name]struct{}

const maxPeers = 1024

func (p peers) isNew(n socket.Name) bool {
	if _, known := p[n]; known {
		return false
	}
	if len(p) >= maxPeers {
		clear(p)
	}
	p[n] = struct{}{}
	return true
}
