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
	"zocalo/socket/scheme"
)

// A client asks a proxy to connect to a destination.
type client struct {
	proxy.Client
	version *version
	local   bool // look names up here
}

// check refuses what the version cannot express.
func (c *client) check() error {
	switch {
	case c.version.number == four && c.Password != "":
		return errors.New("SOCKS 4 has no passwords: omit password-file=, or use socks5")
	case c.version.number == four && strings.ContainsRune(c.User, 0):
		return errors.New("user= contains a zero byte")
	case c.version.number == five && c.User != "" && c.Password == "":
		return errors.New("SOCKS 5 requires a password with user=: add password-file=")
	case len(c.User) > longest || len(c.Password) > longest:
		return fmt.Errorf("user= or the password is longer than %d bytes", longest)
	}
	return nil
}

// connect asks the proxy at the other end of a connection.
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

// destination returns to=, as an address if the proxy should not look names up.
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
	return c.To, fmt.Errorf("%s has no IPv4 address, and SOCKS 4 supports no other: use socks5", c.To.Host)
}

// lookup resolves a destination on this machine.
func lookup(ctx context.Context, d proxy.Destination) ([]socket.Name, error) {
	tcp, _ := scheme.Lookup("tcp")
	return tcp.Resolve(ctx, scheme.Target{Endpoint: d.String()})
}

// ask5 makes a SOCKS 5 request, and returns the address in the answer.
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
		return bound, errors.New("the proxy requires authentication: add user= and password-file=")
	case chosen[1] == noMethod:
		return bound, errors.New("the proxy accepts neither a password nor a client without one")
	case chosen[1] != noPassword:
		return bound, fmt.Errorf("the proxy chose the authentication method %d, which was not offered", chosen[1])
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
	if answer[1] != 0 { // some proxies send no address then
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
		return fmt.Errorf("the proxy did not accept the password of user %q", c.User)
	}
	return nil
}

// notSOCKS explains an answer that is not SOCKS.
func notSOCKS(b []byte) error {
	return fmt.Errorf("the answer is not SOCKS, it begins with %q: is that the proxy's port, and its version?", b)
}

// The answers of SOCKS 5, by their codes.
var answers5 = []struct {
	text  string
	errno syscall.Errno
}{
	1: {"it failed without giving a reason", 0},
	2: {"its rules do not permit it", syscall.EACCES},
	3: {"the network is unreachable", syscall.ENETUNREACH},
	4: {"the host is unreachable or unknown", syscall.EHOSTUNREACH},
	5: {"the connection was refused", syscall.ECONNREFUSED},
	6: {"the connection timed out", syscall.ETIMEDOUT},
	7: {"it does not support the command", syscall.EOPNOTSUPP},
	8: {"it does not support the address type", syscall.EAFNOSUPPORT},
}

func refused5(to proxy.Destination, code byte) error {
	e := &proxy.RefusedError{To: to, Answer: fmt.Sprintf("it answered with the unknown code %d", code)}
	if int(code) < len(answers5) {
		e.Answer, e.Errno = answers5[code].text, answers5[code].errno
	}
	return e
}

// ask4 makes a SOCKS 4 request, or a 4a one if the proxy should look the name up.
func (c *client) ask4(s *socket.Socket, to proxy.Destination) error {
	a, literal := to.Addr()
	switch {
	case !literal:
		a = netip.AddrFrom4([4]byte{0, 0, 0, 1})
	case !a.Unmap().Is4():
		return fmt.Errorf("SOCKS 4 does not support IPv6 addresses such as %v: use socks5", to)
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
		return &proxy.RefusedError{To: to, Answer: "it failed without giving a reason"}
	case noIdent4, wrongIdent4:
		return &proxy.RefusedError{To: to, Answer: fmt.Sprintf("it could not verify user=%s by the ident protocol (code %d)", c.User, answer[1])}
	}
	return &proxy.RefusedError{To: to, Answer: fmt.Sprintf("it answered with the unknown code %d", answer[1])}
}

// The answers of SOCKS 4.
const (
	granted4    = 90
	rejected4   = 91
	noIdent4    = 92
	wrongIdent4 = 93
)
