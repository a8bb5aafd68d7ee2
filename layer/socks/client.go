package socks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"zocalo/layer/internal/prefix"
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// A client asks a proxy to go on to somewhere.
type client struct {
	proxy.Client
	version *version
	local   bool // names are looked up here
}

// check refuses what the version cannot say.
func (c *client) check() error {
	switch {
	case c.version.number == four && c.Password != "":
		return errors.New("SOCKS 4 knows no passwords: leave password-file= out, or use socks5")
	case c.version.number == four && strings.ContainsRune(c.User, 0):
		return errors.New("user= has a zero byte in it")
	case c.version.number == five && c.User != "" && c.Password == "":
		return errors.New("SOCKS 5 has no user without a password: add password-file=")
	case len(c.User) > longest || len(c.Password) > longest:
		return fmt.Errorf("user= and the password can have %d bytes each", longest)
	}
	return nil
}

// connect has the proxy at the other end of a connection go on.
func (c *client) connect(ctx context.Context, lower *socket.Socket) (*socket.Socket, error) {
	to, err := c.destination(ctx)
	if err != nil {
		return nil, err
	}
	return lower, prefix.Within(ctx, lower, func() error {
		if c.version.number == four {
			return c.ask4(lower, to)
		}
		_, err := c.ask5(lower, connectCommand, to)
		return err
	})
}

// destination is to=, as an address where the proxy is not to look names up.
func (c *client) destination(ctx context.Context) (proxy.Destination, error) {
	if _, literal := c.To.Addr(); literal || !c.local {
		return c.To, nil
	}
	names, err := lookup(ctx, c.To)
	if err != nil {
		return c.To, err
	}
	for _, n := range names {
		if a := n.AddrPort().Addr().Unmap(); a.Is4() || c.version.number == five {
			return proxy.Destination{Host: a.WithZone("").String(), Port: c.To.Port}, nil
		}
	}
	return c.To, fmt.Errorf("%s has no IPv4 address, and SOCKS 4 knows no other: use socks5", c.To.Host)
}

// lookup returns the names that a destination means to this machine.
func lookup(ctx context.Context, d proxy.Destination) ([]socket.Name, error) {
	tcp, _ := socket.LookupScheme("tcp")
	return tcp.Resolve(ctx, socket.Target{Endpoint: d.String()})
}

// ask5 asks a proxy by SOCKS 5, and returns where it is bound.
func (c *client) ask5(s *socket.Socket, command byte, to proxy.Destination) (bound proxy.Destination, err error) {
	r := prefix.NewReader(s)
	greeting := []byte{five, 1, noPassword}
	if c.User != "" {
		greeting = []byte{five, 2, noPassword, passwordAsked}
	}
	if _, err = s.Write(greeting); err != nil {
		return bound, err
	}
	var chosen [2]byte
	if err = r.Full(chosen[:]); err != nil {
		return bound, err
	}
	switch {
	case chosen[0] != five:
		return bound, notSOCKS(chosen[:])
	case chosen[1] == passwordAsked && c.User != "":
		if err = c.authenticate(s, r); err != nil {
			return bound, err
		}
	case chosen[1] == passwordAsked, chosen[1] == noMethod && c.User == "":
		return bound, errors.New("the proxy wants to know who asks: add user= and password-file=")
	case chosen[1] != noPassword:
		return bound, fmt.Errorf("the proxy takes neither a password nor nobody's (method %d)", chosen[1])
	}
	if _, err = s.Write(appendDestination([]byte{five, command, 0}, to)); err != nil {
		return bound, err
	}
	var answer [3]byte
	if err = r.Full(answer[:]); err != nil {
		return bound, err
	}
	if answer[0] != five {
		return bound, notSOCKS(answer[:])
	}
	if answer[1] != 0 { // some proxies say no more than this
		return bound, refused5(c.To, answer[1])
	}
	return readDestination(r)
}

// authenticate is RFC 1929.
func (c *client) authenticate(s *socket.Socket, r *prefix.Reader) error {
	b := append([]byte{1, byte(len(c.User))}, c.User...)
	b = append(append(b, byte(len(c.Password))), c.Password...)
	if _, err := s.Write(b); err != nil {
		return err
	}
	var answer [2]byte
	if err := r.Full(answer[:]); err != nil {
		return err
	}
	if answer[1] != 0 {
		return fmt.Errorf("the proxy does not take the password of %q", c.User)
	}
	return nil
}

// notSOCKS is the error of an answer of something else.
func notSOCKS(b []byte) error {
	return fmt.Errorf("what answers begins with %q, and is no SOCKS proxy", b)
}

// The answers of SOCKS 5, by their codes.
var answers5 = []struct {
	text  string
	errno syscall.Errno
}{
	1: {"it failed, and it does not say why", 0},
	2: {"its rules forbid it", syscall.EACCES},
	3: {"the network is unreachable", syscall.ENETUNREACH},
	4: {"the host is unreachable, or unknown", syscall.EHOSTUNREACH},
	5: {"the connection was refused", syscall.ECONNREFUSED},
	6: {"no answer came in time", syscall.ETIMEDOUT},
	7: {"it does not know the command", syscall.EOPNOTSUPP},
	8: {"it does not know the type of the address", syscall.EAFNOSUPPORT},
}

func refused5(to proxy.Destination, code byte) error {
	e := &proxy.RefusedError{To: to, Answer: fmt.Sprintf("it answers with the unknown code %d", code)}
	if int(code) < len(answers5) {
		e.Answer, e.Errno = answers5[code].text, answers5[code].errno
	}
	return e
}

// ask4 asks a proxy by SOCKS 4, or 4a where it is to look a name up.
func (c *client) ask4(s *socket.Socket, to proxy.Destination) error {
	a, literal := to.Addr()
	switch {
	case !literal:
		a = netip.AddrFrom4([4]byte{0, 0, 0, 1})
	case !a.Unmap().Is4():
		return fmt.Errorf("SOCKS 4 knows no IPv6, as that of %v: use socks5", to)
	}
	b := binary.BigEndian.AppendUint16([]byte{four, connectCommand}, to.Port)
	b = append(append(b, a.Unmap().AsSlice()...), c.User...)
	b = append(b, 0)
	if !literal {
		b = append(append(b, to.Host...), 0)
	}
	if _, err := s.Write(b); err != nil {
		return err
	}
	var answer [8]byte
	if err := prefix.NewReader(s).Full(answer[:2]); err != nil {
		return err
	}
	if answer[0] != 0 {
		return notSOCKS(answer[:2])
	}
	if err := prefix.NewReader(s).Full(answer[2:]); err != nil {
		return err
	}
	switch answer[1] {
	case granted4:
		return nil
	case rejected4:
		return &proxy.RefusedError{To: to, Answer: "it rejects that, and does not say why"}
	}
	return &proxy.RefusedError{To: to, Answer: fmt.Sprintf("it does not know user=%q (code %d)", c.User, answer[1])}
}

// The answers of SOCKS 4.
const (
	granted4  = 90
	rejected4 = 91
)
