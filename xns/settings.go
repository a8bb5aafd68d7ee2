package xns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// A configurable is an endpoint of this package.
type configurable interface{ settings() *base }

// config are the options of a socket.
type config struct {
	link       string // "" is the default
	gateway    HostID
	reserved   bool
	broadcast  bool
	checked    bool // packets have a checksum
	packetType uint8
	datastream uint8
	packets    bool // each SPP packet is a message
	mtu        int  // bytes of user data in a packet; 0 is the default
	window     int
	tries      int
	keepalive  time.Duration
	closeTime  time.Duration
	linger     time.Duration
}

func defaultConfig() config {
	return config{checked: true, window: 128, tries: 12, keepalive: 75 * time.Second, closeTime: 15 * time.Second, linger: 250 * time.Millisecond}
}

// base is what the endpoints of this package have in common: options, names,
// deadlines, and their place on a host.
type base struct {
	wait.Life

	naming sync.Mutex // held while the endpoint gets its name, which may take time
	life   context.Context
	end    context.CancelFunc // of life

	mu     sync.Mutex
	config config
	host   *Host       // nil until it is needed
	shared *sharedHost // of host, if it is to be released
	name   Addr        // its Socket is 0 until the endpoint is bound
	peer   Addr
	via    netip.AddrPort // where on the Internet the peer of an accepted connection is; zero where that is not known
}

func (e *base) init() {
	e.Life.Init()
	e.life, e.end = context.WithCancel(context.Background())
	e.config = defaultConfig()
}

func (e *base) settings() *base { return e }

// Name returns the socket's own name.
func (e *base) Name() socket.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	return nameOf(e.name)
}

// Peer returns the name of the connected peer.
func (e *base) Peer() socket.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	return nameOf(e.peer)
}

// Carriage implements socket.Carried: packets go over the Internet where the
// link does.
func (e *base) Carriage() (own, peer netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.host != nil {
		if u, ok := e.host.link.(*udp); ok {
			own = u.s.Name().AddrPort()
		}
	}
	return own, e.via
}

func nameOf(a Addr) socket.Name {
	if a == (Addr{}) {
		return socket.Name{}
	}
	return a.Name()
}

// shut marks the endpoint closed, once.
func (e *base) shut() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.end()
	return e.End()
}

// attach finds the host on which the endpoint will be, whose number is id if
// that is not zero. The caller holds naming.
func (e *base) attach(ctx context.Context, id HostID) (*Host, error) {
	e.mu.Lock()
	host, link := e.host, e.config.link
	e.mu.Unlock()
	if host == nil {
		if link == "" {
			link = defaultLink()
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stop := context.AfterFunc(e.life, cancel)
		defer stop()
		s, err := shared.use(ctx, hostKey{link, id})
		e.mu.Lock()
		defer e.mu.Unlock()
		switch {
		case e.Ended():
			if err == nil {
				shared.release(s, true)
			}
			return nil, net.ErrClosed
		case err != nil:
			return nil, err
		}
		host = s.host
		e.host, e.shared = s.host, s
	}
	if !id.IsZero() && id != host.id {
		return nil, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	return host, nil
}

// detach gives the host back, and closes it if nobody else uses it, so that
// what was sent has left when a program ends after the last Close.
func (e *base) detach() {
	e.mu.Lock()
	s := e.shared
	e.shared = nil
	e.mu.Unlock()
	if s != nil {
		shared.release(s, false)
	}
}

// bind names the endpoint, which p is behind; the zero name lets the host
// choose.
func (e *base) bind(ctx context.Context, n socket.Name, p port) error {
	var want Addr
	if !n.IsZero() {
		var ok bool
		if want, ok = AddrOf(n); !ok {
			return os.NewSyscallError("bind", syscall.EAFNOSUPPORT)
		}
	}
	e.naming.Lock()
	defer e.naming.Unlock()
	if err := e.mayBind(want.Socket); err != nil {
		return err
	}
	host, err := e.attach(ctx, want.Host)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Ended() {
		return net.ErrClosed
	}
	number, err := host.add(want.Socket, p)
	if err != nil {
		return err
	}
	host.setNetwork(want.Net)
	e.name = host.local(number)
	return nil
}

func (e *base) mayBind(number uint16) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.Ended():
		return net.ErrClosed
	case e.name.Socket != 0:
		return os.NewSyscallError("bind", syscall.EINVAL)
	case number != 0 && number < reservedSockets && !e.config.reserved:
		return &socket.HintError{Err: os.NewSyscallError("bind", syscall.EACCES),
			Hint: fmt.Sprintf("sockets below %d are for well-known services: use a higher one, or give the option reserved", reservedSockets)}
	}
	return nil
}

// named binds the endpoint if it is not yet.
func (e *base) named(ctx context.Context, p port) error {
	e.mu.Lock()
	bound, closed := e.name.Socket != 0, e.Ended()
	e.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	if bound {
		return nil
	}
	err := e.bind(ctx, socket.Name{}, p)
	if errors.Is(err, syscall.EINVAL) { // another call was first
		return nil
	}
	return err
}

// destination checks a name to connect or send to.
func destination(call string, n socket.Name) (Addr, error) {
	to, ok := AddrOf(n)
	switch {
	case !ok:
		return to, os.NewSyscallError(call, syscall.EAFNOSUPPORT)
	case to.Socket == 0, to.Host.IsZero():
		return to, os.NewSyscallError(call, syscall.EADDRNOTAVAIL)
	}
	return to, nil
}
