package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/frame"
	"zocalo/relay"
	"zocalo/relay/bridge"
	"zocalo/server"
	"zocalo/socket"
)

// lectureAddress is where the lecture's echo server listens.
const lectureAddress = "tcp:127.0.0.1:5346"

// echo is the verb echo: a server that sends back what it receives.
type echo struct {
	*app
	serving
	once bool

	pathName string
	path     bridge.Path

	cancel context.CancelFunc
	echoer server.Echoer
}

func (a *app) echoVerb() *cobra.Command {
	e := &echo{app: a}
	cmd := &cobra.Command{
		Use:   "echo [ADDRESS...]",
		Short: "Be an echo server, of any kind, on any number of addresses",
		Long: `echo sends back what it receives: octets, messages, urgent data. Without an
address it is the lecture's server, on ` + lectureAddress + `. It says where it
listens and who connects on standard error.

SIGINT and SIGTERM end it once what is open has finished, or --drain is over; a
second signal ends it at once.`,
		Example: `  zocalo echo
  zocalo echo tcp:0 udp:0 unix:/tmp/echo.sock
  zocalo echo --once --trace
  zocalo echo --json tcp:0 | head -1 | jq -r .address`,
		ValidArgsFunction: completeAddresses(math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{lectureAddress}
			}
			return e.run(cmd.Context(), args)
		},
	}
	e.flags(cmd)
	cmd.Flags().BoolVar(&e.once, "once", false, "end after one client, as the lecture's server does")
	cmd.Flags().StringVar(&e.pathName, "path", "auto", "the way through: fast (event loops for streams of the kernel), general, or auto")
	return cmd
}

// run serves all addresses until a signal, or until one fails.
func (e *echo) run(ctx context.Context, args []string) error {
	e.echoer.Log = e.log
	var err error
	if e.path, err = bridge.ParsePath(e.pathName); err != nil {
		return usagef("--%w", err)
	}
	var servers []*server.Server
	ctx, stop := untilSignal(ctx, func(stopped) {
		for _, srv := range servers {
			srv.Abort()
		}
	})
	defer stop()
	ctx, e.cancel = context.WithCancel(ctx)
	defer e.cancel()

	lists, err := e.server(e.app, nil)
	if err != nil {
		return err
	}
	var serving []func() error
	var listeners []*passive
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	var kinds []socket.Kind
	for _, text := range args { // the option is for all of them
		if a, err := address.Parse(text); err == nil {
			if once, given := a.IsOnce(); given {
				e.once = once
			}
		}
	}
	for _, text := range args {
		p, err := e.open(ctx, text)
		if err != nil {
			return err
		}
		if p == nil {
			continue // it was a connection, which is over
		}
		listeners = append(listeners, p)
		kinds = append(kinds, p.kinds()...)
		format, err := formatOf(p.address)
		if err != nil {
			return err
		}
		switch p.Sockets()[0].Type() {
		case socket.Stream, socket.SeqPacket:
			srv, err := e.server(e.app, func(ctx context.Context, c *socket.Socket) { e.serve(ctx, c, format) })
			if err != nil {
				return err
			}
			servers = append(servers, srv)
			fast, err := e.fast(p, format)
			if err != nil {
				return err
			}
			if fast {
				serving = append(serving, func() error { return e.streams(ctx, srv, p) })
			} else {
				serving = append(serving, func() error { return srv.Serve(ctx, p) })
			}
		case socket.Datagram:
			if _, err := e.fast(p, format); err != nil {
				return err
			}
			for _, s := range p.Sockets() {
				serving = append(serving, func() error { return e.datagrams(ctx, s, lists) })
			}
		default:
			return fmt.Errorf("%s: echo would answer its own answers: a raw socket sees what it sends", text)
		}
	}
	if len(kinds) > 0 {
		if err := e.checkLists(lists, kinds...); err != nil {
			return err
		}
	}
	if e.once {
		for _, srv := range servers {
			srv.MaxConns, srv.Drain = 1, -1 // one at a time, for as long as it takes
		}
	}
	errs := make([]error, len(serving))
	var wg sync.WaitGroup
	for i, serve := range serving {
		wg.Go(func() {
			defer e.cancel()
			errs[i] = serve()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// open listens on an address. One that cannot listen, as standard input and
// output or a program, is a connection: it is served at once.
func (e *echo) open(ctx context.Context, text string) (*passive, error) {
	a, err := address.Parse(text)
	if err != nil {
		return nil, usageError{err}
	}
	if !a.Scheme.NoListen {
		return e.listenOn(ctx, text)
	}
	c, err := zocalo.DialAddress(ctx, a)
	if err != nil {
		return nil, wrongUsage(err)
	}
	defer c.Close()
	format, err := formatOf(a)
	if err != nil {
		return nil, err
	}
	if err := e.echo(ctx, c, format); !canceled(ctx, err) {
		return nil, err
	}
	return nil, nil
}

// serve echoes one connection.
func (e *echo) serve(ctx context.Context, c *socket.Socket, format frame.Format) {
	peer := server.PeerText(c)
	if e.once {
		e.cancel() // accept no other
	}
	if !e.quiet {
		e.sayf("connected by %s", peer)
	}
	err := e.echo(ctx, c, format)
	if canceled(ctx, err) {
		err = nil
	}
	e.ended(peer, err)
}

// echo sends back what c receives until its end.
func (e *echo) echo(ctx context.Context, c *socket.Socket, format frame.Format) error {
	if format == (frame.Format{}) {
		return e.echoer.Echo(ctx, c)
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	r, err := frame.NewReader(c, format, 0)
	if err != nil {
		return err
	}
	w, err := frame.NewWriter(c, format, 0)
	if err != nil {
		return err
	}
	for {
		message, err := r.Next()
		if err == nil {
			_, err = w.Write(message)
		}
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, frame.ErrRefused):
			e.log.Warn("message refused", "peer", server.PeerText(c), "error", err)
		case err != nil:
			return err
		}
	}
}

// datagrams echoes the messages of a socket without connections.
func (e *echo) datagrams(ctx context.Context, s *socket.Socket, lists *server.Server) error {
	echoer := server.Echoer{Log: e.log, Allow: lists.Allow, Deny: lists.Deny}
	known := peers{}
	echoer.OnMessage = func(peer socket.Name, _ int) {
		if known.isNew(peer) && !e.quiet {
			e.sayf("connected by %v", peer)
		}
		if e.once {
			e.cancel()
		}
	}
	return echoer.EchoDatagrams(ctx, s)
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

// formatOf returns the format that the option frame of an address names.
func formatOf(a address.Address) (frame.Format, error) {
	f, err := relay.FormatOf(a)
	if err != nil {
		return f, usageError{err}
	}
	return f, nil
}
