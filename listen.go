package zocalo

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"

	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// mostRounds bounds how often Listen starts over because a number that the
// system chose for the first name was taken for another.
const mostRounds = 16

// A ListenConfig listens on addresses. Its zero value is ready to use, and any number
// of goroutines may use one at once.
type ListenConfig struct {
	// Schemes are the words of schemes and layers that addresses may have, as those
	// of a [Dialer]; nil allows all that the program has.
	Schemes []string

	// Resolver looks up the names of hosts; nil is net.DefaultResolver.
	Resolver *net.Resolver
}

// Listen listens on the address with a zero [ListenConfig].
func Listen(ctx context.Context, text string) (*Listener, error) {
	return new(ListenConfig).Listen(ctx, text)
}

// ListenAddress listens on a parsed address with a zero [ListenConfig].
func ListenAddress(ctx context.Context, a address.Address) (*Listener, error) {
	return new(ListenConfig).ListenAddress(ctx, a)
}

// Listen parses the address and listens on it; see ListenAddress.
func (c *ListenConfig) Listen(ctx context.Context, text string) (*Listener, error) {
	a, err := address.Parse(text)
	if err != nil {
		return nil, err
	}
	return c.ListenAddress(ctx, a)
}

// ListenAddress returns a listener with a socket on each name that the address
// means, of whatever kind the address says.
//
// If the endpoint leaves a number to the system, as port 0 does, it is the
// same for all names. A name whose domain this machine lacks, as it may lack
// IPv6, is left out if another can be had; see [Listener.Skipped].
//
// Sockets of a kind with connections listen, with the queue that the option
// backlog says; by default the longest that the system allows. Where there is
// an option reuseaddr it is on for them, unless the address says otherwise.
// Sockets of other kinds are bound, and can be had from [Listener.Sockets].
//
// The file of a unix socket on which nothing listens is replaced, once it is a
// second old: the program of a younger one may be about to listen, so that
// ListenAddress waits until then. One that somebody listens on is EADDRINUSE.
//
// An address that means no name, as fd:3, is opened by its scheme, and taken
// as it is: an inherited socket listens already.
//
// Where the address has layers, as TLS, connections are accepted once these are
// ready: handshakes run side by side, bounded in number and by the option
// handshake-timeout. One that fails concerns its peer alone; see
// [Listener.OnHandshake].
//
// The end of ctx ends the call, and has no effect on a listener that was
// returned. If a name could not be used the error is a [*NamesError]. Errors
// of the address itself are those of package address.
func (c *ListenConfig) ListenAddress(ctx context.Context, a address.Address) (*Listener, error) {
	return retried(ctx, a, func() (*Listener, error) { return c.listenOnce(ctx, a) })
}

func (c *ListenConfig) listenOnce(ctx context.Context, a address.Address) (*Listener, error) {
	o, err := newOpening(a, true, c.Schemes, c.Resolver)
	if err != nil {
		return nil, err
	}
	if s, ok, err := o.direct(ctx); ok {
		if err != nil {
			return nil, advised(err, nil)
		}
		return newListener(o, []*socket.Socket{o.stack.over(s, scheme.TapOf(ctx))}, nil), nil
	}
	names, err := o.names(ctx)
	if err != nil {
		return nil, advised(err, nil)
	}
	for round := 1; ; round++ {
		l := listening{opening: o}
		errs := l.open(ctx, names)
		if errs == nil {
			for i, s := range l.sockets {
				l.sockets[i] = o.stack.over(s, scheme.TapOf(ctx))
			}
			return newListener(o, l.sockets, l.lacking), nil
		}
		for _, s := range l.sockets {
			s.Close()
		}
		if round == mostRounds || !l.chosen || !slices.ContainsFunc(errs, isInUse) {
			for i, err := range errs {
				errs[i] = advised(err, listenAdvice)
			}
			return nil, &NamesError{Address: o.text, Errs: errs}
		}
	}
}

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// isLacking reports whether err says that the machine lacks a name's domain,
// or could say so.
func isLacking(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// listening is one attempt to listen on all names of an address.
type listening struct {
	*opening
	sockets []*socket.Socket
	chosen  bool    // the first socket's name has something that the system chose
	lacking []error // of the names left out
}

// open makes the sockets, and returns why it could not.
func (l *listening) open(ctx context.Context, names []socket.Name) []error {
	bound, lacking := map[socket.Domain]bool{}, map[socket.Domain]bool{}
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return []error{err}
		}
		switch err := l.bindTo(ctx, n); {
		case err == nil:
			bound[n.Domain()] = true
		case isLacking(err):
			lacking[n.Domain()] = true
			l.lacking = append(l.lacking, err)
		default:
			return append(l.lacking, err)
		}
	}
	for d := range lacking {
		if bound[d] || len(bound) == 0 { // the machine has the domain, or nothing is left
			return l.lacking
		}
	}
	backlog, _ := address.Backlog.In(l.target.Settings)
	for _, s := range l.sockets {
		if !connects(s.Type()) {
			continue
		}
		if err := s.Listen(backlog); err != nil {
			return []error{err}
		}
	}
	return nil
}

// bindTo adds a socket that is bound to the name.
func (l *listening) bindTo(ctx context.Context, n socket.Name) error {
	if len(l.sockets) > 0 && l.scheme.Follow != nil {
		n = l.scheme.Follow(n, l.sockets[0].Name())
	}
	s, err := l.make(n, connects(l.kind(n).Type))
	if err != nil {
		return err
	}
	option.AnswerAsAsked(s, n)
	if err := l.bind(ctx, s, n); err != nil {
		s.Close()
		return err
	}
	l.sockets = append(l.sockets, s)
	if len(l.sockets) == 1 {
		l.chosen = s.Name() != n
	}
	return nil
}
