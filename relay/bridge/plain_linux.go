package bridge

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/loop"
	"zocalo/internal/streams"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// plain is a TO that a loop can connect to by itself: the only one, or the
// first, whose endpoint needs no look-up and means one name, without a name of
// its own to come from.
type plain struct {
	end
	name       socket.Name
	to         sys.Sockaddr
	socketKind socket.Kind
	kind       loop.StreamKind
	options    bool // there are some to set before connecting
	timeout    time.Duration
	text       string
}

// newPlain returns nil where the first TO is not plain.
func newPlain(ctx context.Context, r *run) (*plain, error) {
	e := r.to[0]
	if _, bound := address.Bind.In(e.Settings); bound || !literal(e) {
		return nil, nil
	}
	target, err := e.Target(false)
	if err != nil {
		return nil, err
	}
	names, err := e.Scheme.Resolve(ctx, target)
	if err != nil || len(names) != 1 {
		return nil, nil // which dialling will tell of
	}
	p := &plain{end: e, name: names[0], timeout: r.connectTimeout()}
	if !streams.Sockaddr(p.name, &p.to) {
		return nil, nil
	}
	p.socketKind = e.Scheme.KindFor(target, p.name)
	p.kind = streams.Kind(p.socketKind)
	for _, s := range e.Settings {
		switch {
		case s.Spec.Phase == socket.Opened && s.Spec.Apply != nil:
			p.options = true
		case s.Spec.Phase == socket.Connected && s.Spec.Apply != nil:
			return nil, nil
		}
	}
	if given, ok := address.ConnectTimeout.In(e.Settings); ok && given > 0 && (p.timeout <= 0 || given < p.timeout) {
		p.timeout = given
	}
	p.text = e.Scheme.Name + ":" + p.name.String()
	return p, nil
}

// literal reports whether the endpoint is a name already.
func literal(e end) bool {
	switch e.Scheme.Domains[0] {
	case socket.Unix, socket.VSock:
		return true
	}
	i := strings.LastIndexByte(e.Endpoint, ':')
	if i < 0 {
		return false
	}
	_, err := strconv.ParseUint(e.Endpoint[i+1:], 10, 16)
	host := strings.TrimSuffix(strings.TrimPrefix(e.Endpoint[:i], "["), "]")
	a, errHost := netip.ParseAddr(host)
	return err == nil && errHost == nil && a.Zone() == ""
}

// socket returns a new descriptor to connect, with its options.
func (p *plain) socket() (fd int, err error) {
	k := p.socketKind
	if !p.options { // then socket.New does no more than this
		fd, errno := sys.Socket(int(k.Domain), int(k.Type), int(k.Protocol))
		if errno != 0 {
			return -1, os.NewSyscallError("socket", errno)
		}
		return fd, nil
	}
	s, err := socket.New(k.Domain, k.Type, k.Protocol)
	if err != nil {
		return -1, err
	}
	if err := p.Settings.Apply(socket.Opened, s); err != nil {
		s.Close()
		return -1, err
	}
	return s.Detach()
}

// timedOut is the error of an attempt that lasted too long.
func (p *plain) timedOut() error {
	err := &net.OpError{Op: "connect", Net: p.socketKind.String(), Addr: p.name.NetAddr(p.socketKind), Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}
	return &zocalo.NamesError{Address: p.Address.String(), Errs: []error{
		&socket.Advised{Err: err, Advice: "no answer came within " + p.timeout.String() + ": check the address, or allow more time"}}}
}
