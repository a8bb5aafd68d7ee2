package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/server"
	"zocalo/socket"
)

// serving are the flags of the verbs that serve many clients.
type serving struct {
	maxConns    int
	drain       time.Duration
	allow, deny []string
}

func (s *serving) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.maxConns, "max-conns", server.DefaultMaxConns, "connections served at once; more wait in the system's queue")
	f.DurationVar(&s.drain, "drain", server.DefaultDrain, "how long open connections may go on after SIGINT or SIGTERM")
	f.StringSliceVar(&s.allow, "allow", nil, "serve only these peers: addresses, prefixes, uid:N, gid:N")
	f.StringSliceVar(&s.deny, "deny", nil, "never serve these peers")
}

// server makes the server that the flags ask for.
func (s *serving) server(a *app, handler func(context.Context, *socket.Socket)) (*server.Server, error) {
	if s.maxConns <= 0 {
		return nil, usagef("--max-conns %d: it must be at least 1", s.maxConns)
	}
	if s.drain < 0 {
		return nil, usagef("--drain %v: it must not be negative", s.drain)
	}
	srv := &server.Server{Handler: handler, MaxConns: s.maxConns, Drain: s.drain, Log: a.log}
	for _, list := range []struct {
		flag  string
		words []string
		to    **server.List
	}{{"--allow", s.allow, &srv.Allow}, {"--deny", s.deny, &srv.Deny}} {
		if len(list.words) == 0 {
			continue
		}
		parsed, err := server.ParseList(list.words)
		if err != nil {
			return nil, usagef("%s: %w", list.flag, err)
		}
		*list.to = parsed
	}
	return srv, nil
}

// checkLists refuses words of --allow and --deny that can match nobody who
// comes to sockets of these kinds: who writes one counts on it.
func (s *serving) checkLists(srv *server.Server, kinds ...socket.Kind) error {
	for _, list := range []struct {
		flag string
		list *server.List
	}{{"--allow", srv.Allow}, {"--deny", srv.Deny}} {
		if list.list == nil {
			continue
		}
		if word := list.list.Useless(kinds...); word != "" {
			return usagef("%s %s: it can match nobody here: uid: and gid: are for connections over unix sockets, addresses for all but unix sockets", list.flag, word)
		}
	}
	return nil
}

// kinds are those of the listener's sockets.
func (p *passive) kinds() (kinds []socket.Kind) {
	for _, s := range p.Sockets() {
		kinds = append(kinds, s.Kind())
	}
	return kinds
}

// passive is a listener with the address that it was made of.
type passive struct {
	*zocalo.Listener
	address address.Address
}

// listenOn listens on the address, and says where.
func (a *app) listenOn(ctx context.Context, text string) (*passive, error) {
	parsed, err := address.Parse(text)
	if err != nil {
		return nil, usageError{err}
	}
	l, err := zocalo.ListenAddress(ctx, parsed)
	if err != nil {
		return nil, wrongUsage(err)
	}
	p := &passive{l, parsed}
	if err := a.sayListening(p); err != nil {
		l.Close()
		return nil, err
	}
	return p, nil
}

// wrongUsage makes a mistake in an address one of usage.
func wrongUsage(err error) error {
	var side *address.SideError
	var option *address.OptionError
	var endpoint *socket.EndpointError
	if errors.As(err, &side) || errors.As(err, &option) || errors.As(err, &endpoint) {
		return usageError{err}
	}
	return err
}

// listening is what --json prints of a socket that listens.
type listening struct {
	Event   string `json:"event"`   // "listening"
	Kind    string `json:"kind"`    // as "tcp"
	Name    string `json:"name"`    // as "127.0.0.1:5346"
	Address string `json:"address"` // what a client gives to talk
}

// sayListening says on which names the sockets listen.
func (a *app) sayListening(p *passive) error {
	for _, s := range p.Sockets() {
		e := listening{"listening", s.Kind().String(), s.Name().String(), p.address.Scheme.Name + ":" + s.Name().String()}
		switch {
		case a.json:
			if err := a.printJSON(e); err != nil {
				return err
			}
		case !a.quiet:
			a.sayf("listening on %s", e.Address)
		}
	}
	for _, err := range p.Skipped() {
		a.log.Debug("not listening on one of the names", "error", err)
	}
	return nil
}
