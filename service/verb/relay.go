package verb

import (
	"context"
	"errors"
	"slices"
	"strings"

	"zocalo"
	"zocalo/address"
	"zocalo/iso"
	"zocalo/relay"
	"zocalo/server"
	"zocalo/socket"
)

// A Relay is the verb relay: Config is what it has been told.
type Relay struct {
	Serving
	relay.Config

	CarryTSAP     bool // to use the selectors of whoever came towards TO
	Proxy         ProxyFromEnv
	Dump, DumpHex bool // to print what passes
	Faults        Faults

	// Names are those of To, which peers ask for by name; nil where they do not.
	Names []string

	options *Options
}

// Declare declares the options.
func (r *Relay) Declare(o *Options) {
	r.options = o
	r.Serving.Declare(o)
	o.Var(NewValue(&r.Path, relay.Auto, paths), "path", "data path: fast (an event loop for two kernel streams), general, or auto")
	o.Var(NewValue(&r.Loops, 0, AtLeast(0)), "loops", "event loops of the fast path; 0 is one per processor")
	o.Var(NewValue(&r.MaxSessions, relay.DefaultMaxSessions, AtLeast(1)), "max-sessions", "datagram sessions at once; a further one replaces the longest idle")
	o.Var(NewValue(&r.SessionIdle, relay.DefaultSessionIdle, SomeTime), "session-idle", "end a datagram session after this long without traffic")
	o.Var(NewValue(&r.ConnectTimeout, relay.DefaultConnectTimeout, Time), "connect-timeout", "try each address of TO for this long; 0 is the system's limit")
	o.Var(NewValue(&r.Retry, 0, patience), "retry", "keep trying to reach TO for `TIME`, or forever, with pauses from 100ms to 10s")
	o.Var(NewValue(&r.Idle, 0, Time), "idle", "end a pair after this long without traffic; 0 is never")
	o.Var(NewValue(&r.Rate, 0, rate), "rate", "limit on bytes per second in each direction of a pair, such as 1MB; data waits, none is dropped")
	o.Var(NewValue(&r.TotalRate, 0, rate), "total-rate", "the same for all pairs and both directions together")
	o.Flag(&r.PassFiles, "pass-fds", "pass on descriptors received over unix sockets; otherwise they are refused")
	o.Flag(&r.CarryTSAP, "carry-tsap", "iso to iso: use the peer's called and calling selectors towards TO")
	o.Flag(&r.OneWay, "one-way", "pass on what FROM sends, and ignore the other direction")
	r.Faults.Declare(o)
	r.Proxy.Declare(o)
	o.Flag(&r.Dump, "dump", "print the traffic, with times and directions, on standard error")
	o.Flag(&r.DumpHex, "dump-hex", "like --dump, in hexadecimal").Short = "x"
	o.Var(NewValue(&r.Lifetime, 0, Time), "lifetime", "end a pair after this long, busy or not; 0 is never")
}

// Prepare reads the addresses, FROM and then each TO, and fills in Config. An error of
// usage is a [*UsageError] or one of package address. It opens nothing.
func (r *Relay) Prepare(words []string) error {
	if err := r.options.exclusive("dump", "dump-hex"); err != nil {
		return err
	}
	words, names, err := cutNames(words)
	if err != nil {
		return err
	}
	for i, text := range words {
		scheme := "tcp"
		if i == 0 {
			scheme = "tcp-listen"
		}
		a, err := Read(text, scheme)
		if err == nil && i > 0 {
			a, err = r.Proxy.Through(a)
		}
		if err == nil && i > 0 {
			err = zocalo.CheckAddress(a, a.Passive(false))
		}
		switch {
		case err != nil:
			return err
		case i == 0:
			r.From = a
			if r.Serving, err = r.At(a); err != nil {
				return err
			}
		default:
			r.To = append(r.To, a)
		}
	}
	r.Names = names
	if r.ConnectTimeout == 0 {
		r.ConnectTimeout = -1 // no bound, where the Config's 0 is its default
	}
	s := &r.Serving
	c := &r.Config
	c.MaxConns, c.MaxConnsPerPeer, c.Drain, c.Allow, c.Deny = s.MaxConns, s.MaxPerPeer, s.Drain, s.Allow, s.Deny
	switch {
	case names != nil && !relay.TakesNames(r.From):
		return usagef("%s=%v: the peers of %v do not ask for a name: listen on sni-listen:443, tls-listen:443 or socks-listen:1080", names[0], r.To[0], r.From)
	case names != nil:
		r.Route = relay.ByName(names)
	case r.CarryTSAP:
		r.Route = carryTSAP
	}
	if err := r.exclusions(); err != nil {
		return err
	}
	if err := r.idleOptions(); err != nil {
		return err
	}
	return r.prepareFaults()
}

// Read reads an address that may go without its scheme where its meaning is plain: a
// port or HOST:PORT is of the scheme given, a path of unix.
func Read(text, scheme string) (address.Address, error) {
	if plain := address.Plain(text, scheme); plain != "" {
		text = plain
	}
	return address.Parse(text)
}

// cutNames takes the names off TO, which are NAME=ADDRESS where peers ask for names;
// nil where there are none.
func cutNames(words []string) (addresses, names []string, err error) {
	for i, text := range words {
		if i > 0 {
			var name string
			if name, text = CutName(text); name != "" {
				names = append(names, name)
			}
		}
		addresses = append(addresses, text)
	}
	if names != nil && len(names) != len(words)-1 {
		return nil, nil, usagef("some TO have a NAME= and some do not: use default=ADDRESS for all other peers")
	}
	return addresses, names, nil
}

// CutName takes the name off a TO that is NAME=ADDRESS; it is "" where there is none.
func CutName(text string) (name, address string) {
	name, address, named := strings.Cut(text, "=")
	if !named || name == "" || strings.ContainsAny(name, ":,") {
		return "", text
	}
	return name, address
}

// exclusions refuses what would do nothing, or spoil the data.
func (r *Relay) exclusions() error {
	for _, a := range append([]address.Address{r.From}, r.To...) {
		if r.CarryTSAP && (a.Scheme.Type == socket.Datagram || !slices.Contains(a.Scheme.Domains, iso.Domain)) {
			return usagef("--carry-tsap is for iso to iso, and %v is not iso", a)
		}
	}
	if r.CarryTSAP && !r.From.Passive(false) {
		return usagef("--carry-tsap: %v does not listen, so no peer calls a selector", r.From)
	}
	return nil
}

// idleOptions refuses options for what these addresses do not have.
func (r *Relay) idleOptions() error {
	listens, sessions := false, false
	for _, a := range append([]address.Address{r.From}, r.To...) {
		if a.Passive(false) {
			listens = true
			sessions = sessions || a.Scheme.Type == socket.Datagram
		}
	}
	if !sessions {
		if err := r.options.refuse("is for listeners of datagrams", "session-idle", "max-sessions"); err != nil {
			return err
		}
	}
	if !listens {
		return r.options.refuse("is for listeners, and neither address listens", "max-conns", "max-conns-per-peer", "allow", "deny")
	}
	return nil
}

// carryTSAP makes the address to reach one of the selectors that a peer uses.
func carryTSAP(_ context.Context, p *relay.Peer, to []address.Address) ([]address.Address, error) {
	to = slices.Clone(to)
	for i := range to {
		var err error
		if to[i].Settings, err = iso.Carry(p.Socket, to[i].Settings); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// IsUsage reports whether an error is a mistake in what was asked for: in options, in an
// address or in two that cannot be joined, and no failure of the system or a peer.
func IsUsage(err error) bool {
	var usage *UsageError
	var pair *relay.PairError
	var notFast *relay.NotFastError
	var list *server.ListError
	var syntax *address.SyntaxError
	var scheme *address.UnknownSchemeError
	var unknown *address.UnknownOptionError
	var side *address.SideError
	var option *address.OptionError
	var endpoint *socket.EndpointError
	return errors.As(err, &usage) || errors.As(err, &pair) || errors.As(err, &notFast) || errors.As(err, &list) || errors.As(err, &syntax) ||
		errors.As(err, &scheme) || errors.As(err, &unknown) || errors.As(err, &side) || errors.As(err, &option) || errors.As(err, &endpoint)
}
