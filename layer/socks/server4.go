package socks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// V4 is SOCKS 4 and 4a on the side of the proxy.
var V4 = proxy.Protocol{Name: "SOCKS 4", Begins: func(b byte) bool { return b == four }, Serve: serve4}

func serve4(c *proxy.Conn) (*socket.Socket, error) {
	var head [8]byte
	if err := c.Full(head[:]); err != nil {
		return nil, err
	}
	user, err := c.Until(longest+1, "\x00")
	if err != nil {
		return nil, err
	}
	a := netip.AddrFrom4([4]byte(head[4:]))
	to := proxy.Destination{Host: a.String(), Port: binary.BigEndian.Uint16(head[2:])}
	if head[4] == 0 && head[5] == 0 && head[6] == 0 && head[7] != 0 { // 4a
		name, err := c.Until(longest+1, "\x00")
		if err != nil {
			return nil, err
		}
		to.Host = string(name[:len(name)-1])
	}
	switch {
	case head[1] != connectCommand:
		err = fmt.Errorf("the peer's command is %d, and only CONNECT (1) is supported", head[1])
	case c.Users.Needed():
		err = errors.New("the peer speaks SOCKS 4, which has no passwords, and users= requires one")
	default:
		err = to.Check()
	}
	if err != nil {
		reply4(c, netip.AddrPort{}, err)
		return nil, proxy.Told{Err: err}
	}
	return c.Ask(to, string(user[:len(user)-1]), func(bound netip.AddrPort, why error) error {
		return reply4(c, bound, why)
	}), nil
}

func reply4(c *proxy.Conn, bound netip.AddrPort, why error) error {
	b := []byte{0, granted4}
	if why != nil {
		b[1] = rejected4
	}
	b = binary.BigEndian.AppendUint16(b, bound.Port())
	a := bound.Addr().Unmap()
	if !a.Is4() {
		a = netip.IPv4Unspecified()
	}
	_, err := c.Write(append(b, a.AsSlice()...))
	return err
}
