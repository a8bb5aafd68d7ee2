package zocalo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"syscall"
	"time"

	"zocalo/address"
	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/socket/option"
)

// The delay between the attempts of a race, see [Dialer].
const (
	DefaultAttemptDelay = 250 * time.Millisecond
	LeastAttemptDelay   = 10 * time.Millisecond
)

// A Dialer connects to addresses. Its zero value is ready to use, and any
// number of goroutines may use one at once.
type Dialer struct {
	// Timeout bounds the whole of dialling: look-up, and all the names tried.
	// Zero or less is no bound but that of the context and the system. Where
	// the address has the option connect-timeout, the lesser counts.
	Timeout time.Duration

	// AttemptDelay is how long an attempt to connect may last until the next
	// name is tried beside it (RFC 8305, section 5). Zero is
	// [DefaultAttemptDelay]; less than [LeastAttemptDelay] is that. Negative tries
	// one name after the other.
	AttemptDelay time.Duration

	// Except are names not to connect to, as those that have refused. Where no
	// other is left, dialling fails with [ErrNoOther].
	Except []socket.Name

	// Schemes are the words of schemes and layers that addresses may have, as "tcp"
	// and "tls": for addresses that somebody else has written. All that an address
	// is made of must be among them: tls:db:5432 is tls over tcp. nil allows all that
	// the program has.
	Schemes []string

	// Resolver looks up the names of hosts; nil is net.DefaultResolver.
	Resolver *net.Resolver

	// Permit, if not nil, says why a name must not be connected to. Where no other
	// is left, dialling fails with what it said of the first.
	Permit func(socket.Name) error
}

// ErrNoOther says that an address means no names but those that a [Dialer] is to
// leave out.
var ErrNoOther = errors.New("no other name to try")

// Dial connects to the address with a zero [Dialer].
func Dial(ctx context.Context, text string) (*socket.Socket, error) {
	return new(Dialer).Dial(ctx, text)
}

// DialAddress connects to a parsed address with a zero [Dialer].
func DialAddress(ctx context.Context, a address.Address) (*socket.Socket, error) {
	return new(Dialer).DialAddress(ctx, a)
}

// Dial parses the address and connects to it; see DialAddress.
func (d *Dialer) Dial(ctx context.Context, text string) (*socket.Socket, error) {
	a, err := address.Parse(text)
	if err != nil {
		return nil, err
	}
	return d.DialAddress(ctx, a)
}

// DialAddress returns a socket that is connected to the address, of whatever
// kind the address says.
//
// An address may mean several names, as that of a host with IPv6 and IPv4. For
// a kind with connections they race (RFC 8305): names of different domains
// take turns, and each is tried when the one before has failed, or has not
// answered for AttemptDelay. The first connection is returned; the other
// attempts are ended, and are gone when DialAddress returns. For a kind without
// connections, where to connect is only to remember the peer, the first name
// that the system takes is the one.
//
// The option bind= gives the socket its own name first; names of a domain in
// which it has no meaning are left out, and where several names of it race,
// their sockets have SO_REUSEADDR on to share it, unless the address says
// otherwise. Without bind=, Linux chooses a name for a unix datagram socket, so
// that its peer can answer. Options are set before that, and those of a
// connection once it stands.
//
// An address that means no name, as fd:3 or exec:date, is opened by its
// scheme.
//
// The layers of the address, as TLS, begin over what was connected; Timeout and
// the option handshake-timeout bound that.
//
// The end of ctx ends the call with ctx's error, and has no effect on a socket
// that was returned. If no name could be connected to the error is a
// [*NamesError]. Errors of the address itself are those of package address.
//
// The option retry= tries again; where it is given ctx ends the pauses too.
func (d *Dialer) DialAddress(ctx context.Context, a address.Address) (*socket.Socket, error) {
	return retried(ctx, a, func() (*socket.Socket, error) { return d.dialOnce(ctx, a) })
}

// retried opens an address as often as its option retry= says, until it can be.
func retried[T any](ctx context.Context, a address.Address, open func() (T, error)) (T, error) {
	retries, _ := address.Retry.In(a.Settings)
	pause, given := address.RetryInterval.In(a.Settings)
	if !given {
		pause = address.DefaultRetryInterval
	}
	for ; ; retries-- {
		opened, err := open()
		if err == nil || retries <= 0 {
			return opened, err
		}
		select {
		case <-ctx.Done():
			return opened, err
		case <-time.After(pause):
		}
	}
}

func (d *Dialer) dialOnce(ctx context.Context, a address.Address) (*socket.Socket, error) {
	o, err := newOpening(a, false, d.Schemes, d.Resolver)
	if err != nil {
		return nil, err
	}
	bounded := ctx
	timeout := d.timeout(a)
	if timeout > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	explain := func(err error, list []advice) error {
		return advised(gaveUp(err, ctx, bounded, units.Set(timeout)), list)
	}

	if s, ok, err := o.direct(bounded); ok {
		if err == nil {
			s, err = o.overLayers(bounded, s)
		}
		return s, explain(err, nil)
	}
	names, err := o.names(bounded)
	if err != nil {
		return nil, explain(err, nil)
	}
	if d.Except != nil {
		names = slices.DeleteFunc(names, func(n socket.Name) bool { return slices.Contains(d.Except, n) })
		if len(names) == 0 {
			return nil, o.failed(ErrNoOther)
		}
	}
	if names, err = d.permitted(names); err != nil {
		return nil, o.failed(err)
	}
	r, err := newRoute(bounded, o, names)
	if err != nil {
		return nil, explain(err, nil)
	}
	s, errs := r.connect(bounded, d.delay())
	if s != nil {
		s, err := o.overLayers(bounded, s)
		return s, explain(err, nil)
	}
	for i, err := range errs {
		errs[i] = explain(err, dialAdvice)
	}
	return nil, &NamesError{Address: o.text, Errs: errs}
}

// permitted returns the names that Permit has nothing against.
func (d *Dialer) permitted(names []socket.Name) (permitted []socket.Name, first error) {
	if d.Permit == nil {
		return names, nil
	}
	for _, n := range names {
		err := d.Permit(n)
		if err == nil {
			permitted = append(permitted, n)
		} else if first == nil {
			first = err
		}
	}
	if permitted != nil {
		first = nil
	}
	return permitted, first
}

func (d *Dialer) timeout(a address.Address) time.Duration {
	t := max(d.Timeout, 0)
	if given, ok := address.ConnectTimeout.In(a.Settings); ok && given > 0 && (t == 0 || given < t) {
		t = given
	}
	return t
}

func (d *Dialer) delay() time.Duration {
	switch {
	case d.AttemptDelay == 0:
		return DefaultAttemptDelay
	case d.AttemptDelay < 0:
		return math.MaxInt64
	}
	return max(d.AttemptDelay, LeastAttemptDelay)
}

// A route is where to connect to, and where from.
type route struct {
	*opening
	names   []socket.Name
	sources map[socket.Domain]socket.Name // what bind= means, or the scheme's From; nil without either
}

func newRoute(ctx context.Context, o *opening, names []socket.Name) (*route, error) {
	r := &route{opening: o, names: interleave(names)}
	text, given := address.Bind.In(o.target.Settings)
	if !given {
		if from := o.scheme.From; !from.IsZero() {
			r.sources = map[socket.Domain]socket.Name{from.Domain(): from}
		}
		return r, nil
	}
	if o.scheme.Source == nil {
		return nil, &address.OptionError{Option: address.Bind.Name, Scheme: o.scheme.Name, Problem: "its sockets come from nowhere in particular"}
	}
	sources, err := o.scheme.Source(ctx, o.target, text)
	if err != nil {
		return nil, o.failed(fmt.Errorf("%s=%s: %w", address.Bind.Name, text, err))
	}
	r.sources = make(map[socket.Domain]socket.Name)
	for _, n := range slices.Backward(sources) { // so that the first of each domain stays
		r.sources[n.Domain()] = n
	}
	r.names = slices.DeleteFunc(r.names, func(n socket.Name) bool { _, ok := r.sources[n.Domain()]; return !ok })
	if len(r.names) == 0 {
		return nil, &address.OptionError{Option: address.Bind.Name, Scheme: o.scheme.Name,
			Problem: "no name of " + o.target.Endpoint + " can be reached from " + text + ", which is of another domain: bind to one of the same"}
	}
	return r, nil
}

// connect returns a socket connected to one of the names, or an error for
// each that was tried.
func (r *route) connect(ctx context.Context, delay time.Duration) (*socket.Socket, []error) {
	if connects(r.kind(r.names[0]).Type) {
		return race(ctx, r.names, delay, r.attempt)
	}
	var errs []error
	for _, n := range r.names {
		s, err := r.attempt(ctx, n)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
	}
	return nil, errs
}

// errItself refuses the connection that TCP makes of a socket to itself (RFC
// 9293, section 3.5, simultaneous opening) where there is no listener at a port of
// this host and the system chooses that very port for the client.
var errItself = fmt.Errorf("it reached only itself: %w", syscall.ECONNREFUSED)

// attempt connects to one name.
func (r *route) attempt(ctx context.Context, n socket.Name) (*socket.Socket, error) {
	source, bound := r.sources[n.Domain()]
	// Attempts that race may come from one name, which only reuse allows.
	s, err := r.make(n, bound && len(r.names) > 1 && connects(r.kind(n).Type))
	if err != nil {
		return nil, err
	}
	if bound {
		err = r.bind(ctx, s, source)
	}
	if err == nil {
		if to, several := r.answerers(n); several {
			return unconnected(s, to)
		}
		err = s.Connect(ctx, n)
	}
	if err == nil && connects(s.Type()) && !s.Peer().IsZero() && s.Name() == s.Peer() {
		err = &net.OpError{Op: "connect", Net: s.Kind().String(), Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: errItself}
	}
	if err == nil {
		err = r.target.Settings.Apply(option.Connected, s)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
