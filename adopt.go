package zocalo

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"zocalo/address"
	"zocalo/internal/sys"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Adopt returns a listener of an address with sockets that exist already and are bound:
// duplicates of another listener's ([Listener.Duplicates]), or those that another
// process has handed over. Those of a kind with connections listen. Nothing that waits in their queues
// is lost. Layers, what the address says of accepted connections and its backlog
// hold from then on; what other options were set on the sockets stays.
//
// The sockets are the listener's, also where the error is not nil: then they are closed.
// The file of a unix socket is removed with the listener, unless the address has
// unlink-close=0: whoever holds the same socket elsewhere sets [option.UnlinkClose]
// there, or here, off.
func (c *ListenConfig) Adopt(a address.Address, sockets ...*socket.Socket) (*Listener, error) {
	l, err := c.adopt(a, sockets)
	if err != nil {
		for _, s := range sockets {
			keepFile(s)
			s.Close()
		}
	}
	return l, err
}

func (c *ListenConfig) adopt(a address.Address, sockets []*socket.Socket) (*Listener, error) {
	if len(sockets) == 0 {
		return nil, errors.New("adopt: no socket was given: give those that the listener is to have")
	}
	o, err := newOpening(a, true, c.Schemes, c.Resolver)
	if err != nil {
		return nil, err
	}
	sockets = slices.Clone(sockets)
	backlog, _ := address.Backlog.In(o.target.Settings)
	for i, s := range sockets {
		if want := o.kind(s.Name()); o.scheme.Open == nil && s.Kind() != want {
			return nil, o.failed(fmt.Errorf("a socket of the kind %v was given, and %v is needed", s.Kind(), want))
		}
		if connects(s.Type()) && o.scheme.Open == nil {
			if err := s.Listen(backlog); err != nil && !errors.Is(err, syscall.EINVAL) {
				return nil, o.failed(err)
			}
		}
		if o.scheme.Adopt != nil {
			if err := o.scheme.Adopt(o.target, s); err != nil {
				return nil, o.failed(err)
			}
		}
		sockets[i] = o.stack.over(s, nil)
	}
	return newListener(o, sockets, nil), nil
}

// keepFile leaves the file of a unix socket where it is.
func keepFile(s *socket.Socket) {
	if s.Domain() == socket.Unix {
		option.UnlinkClose.Set(s, false)
	}
}

// Duplicates returns duplicates of the listener's sockets, without its layers, that share
// their queues with it: for [ListenConfig.Adopt] here, or for another process. To close them
// removes no file. Sockets of domains in user space have none: it is a
// [*socket.UnsupportedError].
func (l *Listener) Duplicates() (all []*socket.Socket, err error) {
	defer func() {
		if err != nil {
			for _, s := range all {
				s.Close()
			}
			all = nil
		}
	}()
	for _, s := range l.sockets {
		if layered, ok := s.Unwrap().(*layeredListener); ok {
			if s, ok = layered.Endpoint.(*socket.Socket); !ok {
				return all, fmt.Errorf("%s: %w", l.Address(), &socket.UnsupportedError{Feature: "a duplicate of a listener of " + l.word})
			}
		}
		d, err := duplicate(s)
		if err != nil {
			return all, fmt.Errorf("%s: %w", l.Address(), err)
		}
		keepFile(d)
		all = append(all, d)
	}
	return all, nil
}

func duplicate(s *socket.Socket) (*socket.Socket, error) {
	k := s.Kind()
	if k.Domain != socket.Inet && k.Domain != socket.Inet6 && k.Domain != socket.Unix && k.Domain != socket.VSock {
		return nil, &socket.UnsupportedError{Feature: "a duplicate of a " + k.String() + " socket", Needs: "a socket of the kernel's"}
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, errno := -1, syscall.Errno(0)
	if err := raw.Control(func(n uintptr) { fd, errno = sys.Dup(int(n)) }); err != nil {
		return nil, err
	}
	if errno != 0 || fd < 0 {
		return nil, sys.Error("dup", errno)
	}
	d, err := socket.FromFD(fd)
	if err != nil {
		sys.Close(fd)
	}
	return d, err
}
