package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"zocalo"
	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A stock has listeners that are given up, for those who want sockets on the same
// endpoints.
type stock struct {
	listeners map[string]*given // by stockKey
	taken     *Handed
	adopted   map[*zocalo.Listener]*given
}

// given is a listener that somebody may take over.
type given struct {
	address  address.Address
	listener *zocalo.Listener
	keepers  []*zocalo.Listener // that have duplicates of its sockets
}

func newStock(taken *Handed) *stock {
	return &stock{listeners: map[string]*given{}, taken: taken, adopted: map[*zocalo.Listener]*given{}}
}

// add puts a listener there, which stays its owner's until that closes it.
func (s *stock) add(service string, a address.Address, l *zocalo.Listener) {
	s.listeners[stockKey(service, a)] = &given{address: a, listener: l}
}

// stockKey is the endpoint of an address; of one that the system chose, its service's
// own.
func stockKey(service string, a address.Address) string {
	if anyPort(a) {
		return socketKey(a) + " " + service
	}
	return socketKey(a)
}

// had reports whether a listener that listen returned was there before, in this process.
func (s *stock) had(l *zocalo.Listener) bool { return s.adopted[l] != nil }

// listen opens a listener, of sockets that are there already where it can.
func (s *stock) listen(ctx context.Context, service string, a address.Address) (*zocalo.Listener, error) {
	if sockets := s.taken.take(service, a); sockets != nil {
		return new(zocalo.ListenConfig).Adopt(a, sockets...)
	}
	g := s.listeners[stockKey(service, a)]
	if g == nil {
		return zocalo.ListenAddress(ctx, a)
	}
	if stays(g.address) != stays(a) {
		l, err := zocalo.ListenAddress(ctx, a) // which may do, as with reuseport
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%v: it listens already as %v, and such options cannot change while it does: give it another port, or remove the service first", a, g.address)
		}
		return l, err
	}
	sockets, err := g.listener.Duplicates()
	if err != nil {
		var lacks *socket.UnsupportedError
		if errors.As(err, &lacks) {
			return nil, errLate
		}
		return nil, err
	}
	l, err := new(zocalo.ListenConfig).Adopt(a, sockets...)
	if err != nil {
		return nil, err
	}
	keepFiles(l, true) // until it is certain who is the last
	g.keepers = append(g.keepers, l)
	s.adopted[l] = g
	return l, nil
}

// errLate is of a listener that cannot be opened while another is.
var errLate = errors.New("it can listen only after the previous one has ended")

// commit makes those that have taken sockets over the owners of their files.
func (s *stock) commit() {
	for _, g := range s.listeners {
		for _, l := range g.keepers {
			keepFiles(g.listener, true)
			keepFiles(l, false)
			if removes, given := option.UnlinkClose.In(g.address.Settings); given && !removes {
				keepFiles(l, true)
			}
		}
	}
}

// close closes what another process has handed over and nobody wanted.
func (s *stock) close() { s.taken.close() }

// keepFiles says whether the files of unix sockets stay when they are closed.
func keepFiles(l *zocalo.Listener, kept bool) {
	for _, s := range l.Sockets() {
		if s.Domain() == socket.Unix {
			option.UnlinkClose.Set(s, !kept)
		}
	}
}

// Handed are listening sockets of another process, by the addresses that they were opened
// with there.
type Handed struct {
	PID   int               // of that process
	Notes map[string]string // what it told beside

	sockets map[string][]*socket.Socket // by handedKey
	from    io.Closer
}

// ErrNobody is that no process serves upgrades there.
var ErrNobody = errors.New("no process is there to take services over from")

// Close gives up what nobody has taken. The process before goes on, unless Done was called.
func (h *Handed) Close() error {
	h.close()
	return h.from.Close()
}

func handedKey(service string, a address.Address) string {
	if anyPort(a) {
		return stays(a) + " " + service
	}
	return stays(a)
}

// take returns the sockets of an address, nil where there are none.
func (h *Handed) take(service string, a address.Address) []*socket.Socket {
	if h == nil {
		return nil
	}
	key := handedKey(service, a)
	sockets := h.sockets[key]
	delete(h.sockets, key)
	return sockets
}

func (h *Handed) close() {
	if h == nil {
		return
	}
	for key, sockets := range h.sockets {
		for _, s := range sockets {
			s.Close()
		}
		delete(h.sockets, key)
	}
}
