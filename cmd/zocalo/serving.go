package main

import (
	"context"
	"errors"
	"sync"

	"zocalo"
	"zocalo/address"
	"zocalo/relay/join"
	"zocalo/service/verb"
	"zocalo/socket"
)

// passive is a listener with the address that it was made of.
type passive struct {
	*zocalo.Listener
	address address.Address
}

// parseAddress reads an address of the command line.
func parseAddress(text string) (address.Address, error) {
	a, err := address.Parse(text)
	if err != nil {
		return a, usageError{err}
	}
	return a, nil
}

// listenOn listens on the address, and says where, unless the lists cannot do
// their work there. Inline connections are read with urgent data in its place.
func (a *app) listenOn(ctx context.Context, at address.Address, who *verb.Lists, inline bool) (*passive, error) {
	p, err := listenAt(ctx, at, inline)
	if err != nil {
		return nil, err
	}
	if err = asked(who.Check(p.Sockets()...)); err == nil {
		err = a.sayListening(p)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// listenAt is listenOn that says and checks nothing.
func listenAt(ctx context.Context, at address.Address, inline bool) (*passive, error) {
	wanted := at
	if inline {
		wanted = join.Inline(at)
	}
	l, err := zocalo.ListenAddress(ctx, wanted)
	if err != nil {
		return nil, wrongUsage(err)
	}
	return &passive{l, at}, nil
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

// sayWhere says that a socket listens, which text says to people.
func (a *app) sayWhere(text, kind, scheme, name string) error {
	e := listening{"listening", kind, name, scheme + ":" + name}
	switch {
	case a.json:
		return a.printJSON(e)
	case !a.quiet:
		a.sayf("%s %s", text, e.Address)
	}
	return nil
}

// together runs servers, and ends all when one has ended.
func together(end func(), servers []func() error) error {
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, serve := range servers {
		wg.Go(func() {
			defer end()
			errs[i] = serve()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sayListening says on which names the sockets listen.
func (a *app) sayListening(p *passive) error {
	for _, s := range p.Sockets() {
		if err := a.sayWhere("listening on", s.Kind().String(), p.address.Scheme.Name, s.Name().String()); err != nil {
			return err
		}
		a.page.listens(p.address.Scheme.Name + ":" + s.Name().String())
	}
	for _, line := range p.Notices() {
		a.sayf("%s", line)
	}
	p.OnHandshake(func(c *socket.Socket, err error) { a.sayHandshake(p, c, err) })
	for _, err := range p.Skipped() {
		a.log.Debug("not listening on one of the addresses", "error", err)
	}
	return nil
}
