package relay

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/sys"
	"zocalo/internal/units"
	"zocalo/relay/streams"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// plain is a TO that a loop can connect to by itself: the only one, or the
// first, without a name of its own to come from, and with no options but such
// as setsockopt(2) sets before connecting.
type plain struct {
	end
	target  scheme.Target
	options []sockopt
	timeout time.Duration
	names   names
}

// A candidate is a name of TO as a loop connects to it.
type candidate struct {
	plain    *plain
	next     *candidate // to try after it, nil for none
	name     socket.Name
	sockaddr sys.Sockaddr
	kind     socket.Kind
	stream   streams.StreamKind
	text     string
}

// A sockopt is what setsockopt(2) takes besides the descriptor.
type sockopt struct {
	level, name int
	value       []byte
	optional    bool
}

// newPlain returns nil where the first TO is not plain.
func newPlain(s *settings) *plain {
	e := s.to[0]
	target, err := e.Target(false)
	if _, bound := address.Bind.In(e.Settings); err != nil || bound || s.Route != nil || e.Scheme.Resolve == nil || e.Scheme == requested || slices.ContainsFunc(s.to, end.hasLayers) {
		return nil
	}
	p := &plain{end: e, target: target, timeout: s.connectTimeout()}
	p.names.plain = p
	for _, s := range target.Settings {
		switch {
		case s.Spec.Apply == nil:
		case s.Spec.Phase == option.Opened && s.Spec.Int != nil:
			level, name, value := s.Spec.Int(s.Value)
			p.options = append(p.options, sockopt{level, name, binary.NativeEndian.AppendUint32(nil, uint32(value)), s.Default})
		default:
			return nil
		}
	}
	if given, ok := address.ConnectTimeout.In(e.Settings); ok && given > 0 && (p.timeout <= 0 || given < p.timeout) {
		p.timeout = given
	}
	return p
}

// candidates are the names that TO means now, in the order in which to try
// them.
func (p *plain) candidates(ctx context.Context) ([]*candidate, error) {
	names, err := p.Scheme.Resolve(ctx, p.target)
	if err != nil {
		return nil, err
	}
	var all []*candidate
	for _, n := range names {
		k := p.Scheme.KindFor(p.target, n)
		c := &candidate{plain: p, name: n, kind: k, stream: streams.Kind(k), text: p.Scheme.Name + ":" + n.String()}
		if !streams.Sockaddr(n, &c.sockaddr) {
			return nil, nil // which dialling will do
		}
		if len(all) > 0 {
			all[len(all)-1].next = c
		}
		all = append(all, c)
	}
	return all, nil
}

// socket returns a new descriptor to connect, with its options.
func (p *plain) socket(k socket.Kind) (fd int, err error) {
	fd, errno := sys.Socket(int(k.Domain), int(k.Type), int(k.Protocol))
	if errno != 0 {
		return -1, os.NewSyscallError("socket", errno)
	}
	for _, o := range p.options {
		if errno := sys.RawSetsockopt(fd, o.level, o.name, o.value); errno != 0 && !o.optional {
			sys.Close(fd)
			return -1, os.NewSyscallError("setsockopt", errno)
		}
	}
	return fd, nil
}

// timedOut is the error of an attempt that lasted too long.
func (c *candidate) timedOut() error {
	p := c.plain
	within := "the system's time"
	if p.timeout > 0 {
		within = units.Set(p.timeout)
	}
	err := &net.OpError{Op: "connect", Net: c.kind.String(), Addr: c.name.NetAddr(c.kind), Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}
	return &zocalo.NamesError{Address: p.Address.String(), Errs: []error{
		&socket.HintError{Err: err, Hint: "no answer came within " + within + ": check the address, or allow more time"}}}
}
