package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"zocalo"
	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// requested is a TO that the peer chooses, by what it asked FROM for: that is a
// listener with a layer whose peers do ([socket.Requester]). Its options are those of
// tcp, by which the peer's target is reached.
var requested = &scheme.Scheme{
	Name: "requested", Doc: "as TO of relay, what the peer of a proxy's FROM asks for, such as socks-listen:1080",
	Domains: []socket.Domain{socket.Inet, socket.Inet6}, Type: socket.Stream, NoListen: true,
}

func init() {
	tcp := mustScheme("tcp")
	requested.Options, requested.Source = tcp.Options, tcp.Source
	requested.Resolve = func(context.Context, scheme.Target) ([]socket.Name, error) {
		return nil, errors.New("it is what the peer of a relay asks for, but there is no relay here: zocalo relay socks-listen:1080 requested: is one")
	}
	scheme.Register(requested)
}

func mustScheme(word string) *scheme.Scheme {
	s, _ := scheme.Lookup(word)
	return s
}

// requests reports whether peers of an address that listens say where they want to go.
func requests(a address.Address) bool {
	return slices.ContainsFunc(a.Scheme.Layers, func(l *scheme.Layer) bool { return l.Requests })
}

// errNothingRequested is of a peer that could not ask.
var errNothingRequested = errors.New("the peer asked for nothing")

// dialRequested reaches for a peer what it asked for.
func (r *run) dialRequested(ctx context.Context, d zocalo.Dialer, e end, p *Peer) (*socket.Socket, string, error) {
	q := requester(p.socket())
	if q == nil {
		return nil, "", errNothingRequested
	}
	request := q.Requested()
	if request.Open != nil {
		s, err := request.Open(ctx, r.notItself)
		return s, request.Target, err
	}
	a := e.Address
	a.Scheme, a.Endpoint = mustScheme("tcp"), request.Target
	d.Permit = func(n socket.Name) error {
		if request.Permit != nil {
			if err := request.Permit(n); err != nil {
				return err
			}
		}
		return r.notItself(n)
	}
	s, err := d.DialAddress(ctx, a)
	return s, "tcp:" + request.Target, err
}

// notItself refuses a name that is the relay's own listener: each peer would make
// another one.
func (r *run) notItself(n socket.Name) error {
	for _, s := range r.sockets {
		if reaches(n, s.Name()) {
			return ownListenerError{n}
		}
	}
	return nil
}

// An ownListenerError refuses a name that is the relay's own listener.
type ownListenerError struct{ socket.Name }

func (e ownListenerError) Error() string {
	return fmt.Sprintf("%v is what the relay itself listens on", e.Name)
}

func (e ownListenerError) Unwrap() error { return syscall.EACCES }

// requester returns the capability of a peer's socket, which may be nil.
func requester(s *socket.Socket) socket.Requester {
	if s == nil {
		return nil
	}
	q, _ := socket.As[socket.Requester](s)
	return q
}

// introduce tells each of two peers that has asked for something that it is reached.
// Where that fails, other is closed.
func introduce(from, other *socket.Socket, t target) error {
	err := errDatagrams
	if q := requester(from); q == nil || q.Requested().Open == nil || t.Scheme == requested {
		_, err = answer(from, other, nil)
	}
	if err == nil {
		_, err = answer(other, from, nil)
	}
	if err != nil {
		other.Abort()
	}
	return err
}

// answer tells a peer that has asked for something that it was reached, or why not.
// It reports whether there was somebody to be told.
func answer(peer, reached *socket.Socket, why error) (told bool, err error) {
	q := requester(peer)
	if q == nil {
		return false, nil
	}
	var bound socket.Name
	if reached != nil {
		bound = reached.Name()
	}
	return true, q.Answer(bound, why)
}

// errDatagrams refuses a peer that wants datagrams passed where TO is fixed.
var errDatagrams = fmt.Errorf("the peer asks for UDP, which goes to requested: alone: %w", syscall.EOPNOTSUPP)
