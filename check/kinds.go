package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/locals"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
	"zocalo/socket/sockettest"
)

// kernelKinds are those that every run tries, in the order of the table.
var kernelKinds = []string{"tcp", "tcp6", "mptcp", "udp", "unix", "unix-dgram", "unix-seqpacket", "vsock", "raw", "socketpair", "pipe"}

// askedOnly are kinds that say nothing more than one of kernelKinds does.
var askedOnly = []string{"tcp4", "udp4", "udp6", "raw6", "vsock-seqpacket"}

// linkKinds would need a network interface that carries nothing else.
var linkKinds = []string{"packet", "packet-dgram"}

// Kinds returns the kinds that [Run] tries unless told otherwise: the
// kernel's, a pipe to compare them with, and those of every other family that
// the program has registered.
func Kinds() []string {
	kinds := slices.Clone(kernelKinds)
	others := slices.Concat(kernelKinds, askedOnly, linkKinds)
	for _, s := range scheme.All() {
		if s.Resolve != nil && !s.NoListen && !s.NoDial && !slices.Contains(others, s.Name) {
			kinds = append(kinds, s.Name)
		}
	}
	return kinds
}

// several reports whether a scheme has one socket for the connections of all peers, as
// quic-dgram.
func several(s *scheme.Scheme) bool { return s.Prepare != nil && s.Type == socket.Datagram }

// An opener makes the source of a kind that was found. Its error says why
// this machine lacks the kind.
type opener func(context.Context) (*Source, error)

// lookup finds a kind by its name: a scheme, or socketpair, pipe or memory.
func lookup(kind string) (string, opener, error) {
	kind = strings.ToLower(kind)
	switch kind {
	case "socketpair":
		return kind, openSocketpair, nil
	case "pipe":
		return kind, openPipe, nil
	case "memory", "memory-dgram", "memory-seqpacket":
		sockettest.RegisterMemory()
	}
	s, err := address.SchemeOf(kind)
	switch {
	case err != nil:
		return "", nil, &KindError{kind, err.Error()}
	case s == nil:
		return "", nil, &UnknownError{"kind", kind, append(Kinds(), askedOnly...)}
	case slices.Contains(linkKinds, s.Name):
		return "", nil, &KindError{kind, "it would need a network interface that carries nothing else"}
	case s.Resolve == nil || s.NoListen || s.NoDial:
		return "", nil, &KindError{kind, "it does not have both a side that listens and one that connects"}
	}
	if s.Layers != nil || s.Prepare != nil {
		return s.Name, func(ctx context.Context) (*Source, error) { return openStack(ctx, s) }, nil
	}
	return s.Name, func(ctx context.Context) (*Source, error) { return openScheme(ctx, s) }, nil
}

// openScheme makes the source of a scheme, and sees whether it works here.
func openScheme(ctx context.Context, s *scheme.Scheme) (*Source, error) {
	p, err := newPlace(s, s)
	if err != nil {
		return nil, err
	}
	src, err := p.source(ctx)
	if err != nil {
		p.clean()
		if needs := p.local.Needs; needs != "" {
			err = fmt.Errorf("%s: it needs %s", why(err), needs)
		}
		return nil, err
	}
	return src, nil
}

// openStack makes the source of a stack of layers, or of another scheme whose sockets only
// addresses make.
func openStack(ctx context.Context, s *scheme.Scheme) (*Source, error) {
	p, err := newPlace(s, cmp.Or(s.Carrier, s))
	if err != nil {
		return nil, err
	}
	kind := s.Kinds(scheme.Target{})[0]
	pair := p.pair
	if several(s) {
		pair = p.pairOfSeveral
	}
	src, err := openPair(ctx, &Source{Name: s.Name, Kind: kind, Promised: kind.Properties(), MostMessage: p.local.Most, Pair: pair, Nobody: p.nobody, Close: p.clean})
	if err != nil {
		p.clean()
	}
	return src, err
}

// newPlace makes the place of a scheme, at addresses of what carries it.
func newPlace(s, carrier *scheme.Scheme) (p *place, err error) {
	p = &place{scheme: s}
	if p.local, err = locals.Of(carrier); err == nil && p.local.Files {
		p.dir, err = os.MkdirTemp("", "zocalo-check-")
	}
	return p, err
}

// pair connects two sockets through a listener.
func (p *place) pair(ctx context.Context) (active, passive *socket.Socket, err error) {
	l, to, err := p.listen(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	accepting, stop := context.WithCancel(ctx)
	defer stop()
	accepted := make(chan error, 1)
	go func() {
		var err error
		passive, err = l.Accept(accepting)
		accepted <- err
	}()
	if active, err = zocalo.DialAddress(ctx, to); err != nil {
		stop()
	}
	if acceptErr := <-accepted; err == nil {
		err = acceptErr
	}
	if err == nil {
		return active, passive, nil
	}
	for _, s := range []*socket.Socket{active, passive} {
		if s != nil {
			s.Close()
		}
	}
	return nil, nil, err
}

// pairOfSeveral is pair where one socket serves all who connect: it hears who was first
// alone then.
func (p *place) pairOfSeveral(ctx context.Context) (active, passive *socket.Socket, err error) {
	l, to, err := p.listen(ctx)
	if err != nil {
		return nil, nil, err
	}
	passive = l.Sockets()[0]
	if active, err = zocalo.DialAddress(ctx, to); err != nil {
		l.Close()
		return nil, nil, err
	}
	first := []byte("who is there")
	var m socket.Message
	m.SetData(make([]byte, len(first)))
	if deadline, ok := ctx.Deadline(); ok {
		passive.SetReadDeadline(deadline)
	}
	if _, err = active.Write(first); err == nil {
		err = passive.Receive(&m)
	}
	passive.SetReadDeadline(time.Time{})
	if err == nil {
		peer := m.Peer
		passive, err = socket.Unconnected(passive, socket.Correspondents{Peer: peer, Hears: func(from socket.Name) bool { return from == peer }})
	}
	if err != nil {
		active.Close()
		l.Close()
		return nil, nil, err
	}
	return active, passive, nil
}

// listen makes a listener, and tells where its clients connect to. A layer that asks to
// be taken on asks for anywhere: the listener takes it no further.
func (p *place) listen(ctx context.Context) (l *zocalo.Listener, to address.Address, err error) {
	a, err := p.local.Address(p.scheme, p.dir)
	if err != nil {
		return nil, a, err
	}
	if l, err = zocalo.ListenAddress(ctx, a); err != nil {
		return nil, a, err
	}
	text := l.Address()
	for _, layer := range p.scheme.Layers {
		if slices.ContainsFunc(layer.Options, func(o *option.Spec) bool { return o.Name == "to" }) {
			text += "," + layer.Name + ".to=localhost:1"
		}
	}
	if to, err = address.Parse(text); err != nil {
		l.Close()
	}
	to.Settings = append(to.Settings, a.Settings...)
	return l, to, err
}

// nobody connects to where there was a listener.
func (p *place) nobody(ctx context.Context) error {
	l, to, err := p.listen(ctx)
	if err != nil {
		return err
	}
	l.Close()
	s, err := zocalo.DialAddress(ctx, to)
	if err == nil {
		s.Close()
	}
	return err
}

// A place is where the sockets of a scheme get their names.
type place struct {
	scheme *scheme.Scheme
	local  locals.Local
	dir    string // for the files of its sockets, "" where they have none
}

// clean removes the folder.
func (p *place) clean() {
	if p.dir != "" {
		os.RemoveAll(p.dir)
	}
}

// name resolves an address of this machine to its first name.
func (p *place) name(ctx context.Context) (t scheme.Target, n socket.Name, err error) {
	a, err := p.local.Address(p.scheme, p.dir)
	if err != nil {
		return t, n, err
	}
	t = scheme.Target{Endpoint: a.Endpoint, Passive: true, Settings: a.Settings}
	names, err := p.scheme.Resolve(ctx, t)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%v means no name", a)
	}
	if err != nil {
		return t, n, err
	}
	return t, names[0], nil
}

func (p *place) source(ctx context.Context) (*Source, error) {
	target, name, err := p.name(ctx)
	if err != nil {
		return nil, err
	}
	kind := socket.Kind{Domain: name.Domain(), Type: p.scheme.Type, Protocol: p.scheme.Protocol}
	if p.scheme.Kind != nil {
		kind = p.scheme.Kind(target, name)
	}
	src := &Source{
		Name: p.scheme.Name, Kind: kind, Promised: kind.Properties(), MostMessage: p.local.Most,
		New:   func() (*socket.Socket, error) { return socket.New(kind.Domain, kind.Type, kind.Protocol) },
		Bind:  p.bind,
		Close: p.clean,
	}
	if kind.Domain == socket.Inet && kind.Type == socket.Raw {
		src.Payload = afterIPv4Header
	}
	a, b, err := src.connect(ctx)
	if err != nil {
		return nil, err
	}
	// What a connection promises may be known by now, and by none before.
	src.Promised = a.Properties()
	return src, errors.Join(a.Close(), b.Close())
}

func (p *place) bind(ctx context.Context, s *socket.Socket) error {
	for try := 0; ; try++ {
		target, name, err := p.name(ctx)
		if err != nil {
			return err
		}
		if p.scheme.Bind != nil {
			err = p.scheme.Bind(ctx, target, s, name)
		} else {
			err = s.Bind(name)
		}
		if try < 3 && errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		return err
	}
}

// afterIPv4Header returns what follows the header, which a raw socket of IPv4
// delivers with every packet (raw(7)).
func afterIPv4Header(b []byte) []byte {
	if len(b) < 20 || int(b[0]&15)*4 > len(b) {
		return b
	}
	return b[int(b[0]&15)*4:]
}

func openSocketpair(ctx context.Context) (*Source, error) {
	kind := socket.Kind{Domain: socket.Unix, Type: socket.Stream}
	return openPair(ctx, &Source{
		Name: "socketpair", Kind: kind, Promised: kind.Properties(),
		Pair: func(context.Context) (a, b *socket.Socket, err error) {
			return socket.Pair(kind.Domain, kind.Type, kind.Protocol)
		},
	})
}

// openPipe makes the source of pipes, to compare sockets with: pipe(2), whose
// two descriptors are the ends of one channel.
func openPipe(ctx context.Context) (*Source, error) {
	return openPair(ctx, &Source{
		Name: "pipe", OneWay: true,
		Promised: socket.Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true},
		Pair: func(context.Context) (writer, reader *socket.Socket, err error) {
			reader, writer, err = locals.Pipe()
			return writer, reader, err
		},
	})
}

// openPair sees whether a source makes pairs.
func openPair(ctx context.Context, src *Source) (*Source, error) {
	a, b, err := src.Pair(ctx)
	if err != nil {
		return nil, err
	}
	return src, errors.Join(a.Close(), b.Close())
}
