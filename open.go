package zocalo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"

	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// opening is one address on its way to sockets: what its scheme is asked for.
type opening struct {
	text   string // the address, for errors
	scheme *scheme.Scheme
	target scheme.Target
	stack  *stack
	word   string // of the scheme, with its layers
}

// newOpening begins with an address, whose schemes must be among those allowed, if
// these are not nil.
func newOpening(a address.Address, passive bool, allowed []string, resolver *net.Resolver) (*opening, error) {
	t, err := a.Target(passive)
	if err != nil {
		return nil, err
	}
	if err := allow(a.Scheme, allowed); err != nil {
		return nil, err
	}
	t.Resolver = resolver
	o := &opening{text: a.String(), scheme: a.Scheme, target: t, word: a.Scheme.Name}
	if a.Scheme.Carrier != nil {
		o.scheme = a.Scheme.Carrier
	}
	if o.stack, err = stackOf(a, t); err != nil {
		return nil, o.failed(err)
	}
	return o, nil
}

// CheckAddress returns what is wrong with an address by itself, whatever there is on
// this machine or another: a port, a name or options that can never be, nil where
// opening it may do. It looks up nothing, and reads the files that its layers name, for
// when it is opened too.
func CheckAddress(a address.Address, passive bool) error {
	o, err := newOpening(a, passive, nil, nil)
	if err != nil || o.scheme.Resolve == nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // so that nothing is looked up
	var wrong *socket.EndpointError
	if _, err := o.names(ctx); errors.As(err, &wrong) {
		return err
	}
	return nil
}

// allow refuses a scheme of which a part is not allowed.
func allow(s *scheme.Scheme, allowed []string) error {
	if allowed == nil {
		return nil
	}
	words := []string{s.Name}
	if s.Carrier != nil {
		words = []string{s.Carrier.Name}
		for _, l := range s.Layers {
			words = append(words, l.Name)
		}
	}
	for _, w := range words {
		if !slices.Contains(allowed, w) {
			return &SchemeError{Scheme: w, Allowed: allowed}
		}
	}
	return nil
}

// direct opens what the address means where that has no names; ok is false
// where it has.
func (o *opening) direct(ctx context.Context) (s *socket.Socket, ok bool, err error) {
	if o.scheme.Open == nil {
		return nil, false, nil
	}
	s, err = o.scheme.Open(ctx, o.target)
	if err != nil {
		return nil, true, o.failed(err)
	}
	return s, true, nil
}

// names resolves the address. It returns at least one name, or an error.
func (o *opening) names(ctx context.Context) ([]socket.Name, error) {
	if o.scheme.Resolve == nil {
		return nil, &socket.UnsupportedError{Feature: "opening " + o.scheme.Name + " by its address"}
	}
	names, err := o.scheme.Resolve(ctx, o.target)
	if err != nil {
		return nil, o.failed(err)
	}
	if len(names) == 0 {
		return nil, o.failed(fmt.Errorf("%q means no name at all", o.target.Endpoint))
	}
	return names, nil
}

func (o *opening) failed(err error) error { return fmt.Errorf("%s: %w", o.text, err) }

// kind returns what socket to make for a name.
func (o *opening) kind(n socket.Name) socket.Kind {
	if o.scheme.Kind != nil {
		return o.scheme.Kind(o.target, n)
	}
	return socket.Kind{Domain: n.Domain(), Type: o.scheme.Type, Protocol: o.scheme.Protocol}
}

// make returns a new socket for a name, with the options that precede bind.
// With reuse it also has ReuseAddress, where that exists and the address says
// nothing about it.
func (o *opening) make(n socket.Name, reuse bool) (*socket.Socket, error) {
	k := o.kind(n)
	s, err := socket.New(k.Domain, k.Type, k.Protocol)
	switch {
	case errors.Is(err, syscall.EPERM):
		return nil, &socket.HintError{Err: err, Hint: "only root, or a program with the capability CAP_NET_RAW, may make such sockets"}
	case err != nil:
		return nil, err
	}
	err = o.stack.opened(s)
	_, given := option.ReuseAddress.In(o.target.Settings)
	if err == nil && reuse && !given && slices.Contains(o.scheme.Options, option.ReuseAddress.Spec) {
		err = option.ReuseAddress.Set(s, true)
	}
	if err == nil {
		err = o.target.Settings.Apply(option.Opened, s)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (o *opening) bind(ctx context.Context, s *socket.Socket, n socket.Name) error {
	if o.scheme.Bind != nil {
		return o.scheme.Bind(ctx, o.target, s, n)
	}
	return s.Bind(n)
}

// connects reports whether sockets of the type have connections, and so
// queues of them.
func connects(t socket.Type) bool { return t == socket.Stream || t == socket.SeqPacket }
