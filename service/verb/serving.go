package verb

import (
	"time"

	"zocalo/address"
	"zocalo/server"
	"zocalo/socket"
)

// Lists are the options that say who is served.
type Lists struct{ Allow, Deny *server.List }

// Declare declares the options.
func (l *Lists) Declare(o *Options) {
	o.Var(NewListValue(&l.Allow), "allow", "accept only these peers: addresses, prefixes, uid:N, gid:N, cert:NAME").Many = true
	o.Var(NewListValue(&l.Deny), "deny", "reject these peers").Many = true
}

// Take takes what the options of a listener's address say of its peers.
func (l *Lists) Take(a address.Address) (err error) {
	text, given := address.Allow.In(a.Settings)
	switch {
	case given && l.Allow != nil:
		return usagef("%v: allow and --allow cannot be combined: give one", a)
	case given:
		l.Allow, err = server.ParseList([]string{text})
	}
	return err
}

// Check refuses lists that cannot do their work for whoever comes to these sockets.
func (l *Lists) Check(sockets ...*socket.Socket) error {
	if err := (server.Lists{Allow: l.Allow, Deny: l.Deny}).Check(sockets...); err != nil {
		return usagef("--%w", err)
	}
	return nil
}

// Serving are the options of the verbs that serve many clients.
type Serving struct {
	Lists
	MaxConns   int
	MaxPerPeer int
	Drain      time.Duration
}

// Declare declares the options.
func (s *Serving) Declare(o *Options) {
	o.Var(NewValue(&s.MaxConns, server.DefaultMaxConns, AtLeast(1)), "max-conns", "connections served at once; further ones wait in the backlog")
	o.Var(NewValue(&s.MaxPerPeer, 0, integer), "max-conns-per-peer", "connections per address, IPv6 /64 or unix user; -1 is no limit (default a tenth of --max-conns, no limit on loopback)")
	o.Var(NewValue(&s.Drain, server.DefaultDrain, DrainTime), "drain", "how long open connections may continue after SIGINT or SIGTERM")
	s.Lists.Declare(o)
}

// At returns what holds at one address: the options, and those of that address, which are
// no other's.
func (s Serving) At(a address.Address) (Serving, error) {
	if _, given := address.AcceptTimeout.In(a.Settings); given {
		return s, usagef("%v: accept-timeout is for verbs that wait for one peer, such as listen: omit it", a)
	}
	if n, given := address.MaxConns.In(a.Settings); given {
		s.MaxConns = n
	}
	err := s.Lists.Take(a)
	return s, err
}
