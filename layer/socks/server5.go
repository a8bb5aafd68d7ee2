package socks

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// V5 is SOCKS 5 on the side of the proxy.
var V5 = proxy.Protocol{Name: "SOCKS 5", Begins: func(b byte) bool { return b == five }, Serve: serve5}

func serve5(c *proxy.Conn) (*socket.Socket, error) {
	user, err := greet(c)
	if err != nil {
		return nil, err
	}
	var head [3]byte
	if err := c.Full(head[:]); err != nil {
		return nil, err
	}
	if head[0] != five {
		return nil, fmt.Errorf("the peer's request is not SOCKS 5: it begins with %#x", head[0])
	}
	to, err := readDestination(c.Reader)
	switch {
	case errors.Is(err, errAddressType):
		return nil, deny5(c, 8, err)
	case err != nil:
		return nil, err
	}
	reply := func(bound netip.AddrPort, why error) error {
		_, err := c.Write(appendBound([]byte{five, code5(why), 0}, bound))
		return err
	}
	switch head[1] {
	case associateCommand:
		return newAssociation(c, to, user, reply)
	case connectCommand:
		if err := to.Check(); err != nil {
			return nil, deny5(c, 4, err)
		}
		return c.Ask(to, user, reply), nil
	}
	return nil, deny5(c, 7, fmt.Errorf("the peer's command is %d, and only CONNECT (1) and UDP ASSOCIATE (3) are supported", head[1]))
}

// greet agrees on an authentication method, and authenticates the peer.
func greet(c *proxy.Conn) (user string, err error) {
	var head [2]byte
	if err := c.Full(head[:]); err != nil {
		return "", err
	}
	methods := make([]byte, head[1])
	if err := c.Full(methods); err != nil {
		return "", err
	}
	method := byte(noPassword)
	if c.Users.Needed() {
		method = passwordAsked
	}
	if !bytes.Contains(methods, []byte{method}) {
		c.Write([]byte{five, noMethod})
		if method == passwordAsked {
			return "", proxy.Told{Err: errors.New("the peer offers no password, and users= requires one")}
		}
		return "", proxy.Told{Err: fmt.Errorf("the peer offers only the authentication methods %v, and none is required", methods)}
	}
	if _, err := c.Write([]byte{five, method}); err != nil || method == noPassword {
		return "", err
	}
	return hearPassword(c)
}

// hearPassword authenticates a peer by RFC 1929.
func hearPassword(c *proxy.Conn) (user string, err error) {
	if version, err := c.Byte(); err != nil {
		return "", err
	} else if version != 1 {
		return "", fmt.Errorf("the peer's authentication has version %d instead of 1", version)
	}
	var said [2]string // user and password
	for i := range said {
		size, err := c.Byte()
		if err != nil {
			return "", err
		}
		b := make([]byte, size)
		if err := c.Full(b); err != nil {
			return "", err
		}
		said[i] = string(b)
	}
	known, err := c.Users.Know(said[0], said[1])
	if err != nil || !known {
		c.Write([]byte{1, 1})
		if err == nil {
			err = fmt.Errorf("user %q gave a wrong password, or is not in users=", said[0])
		}
		return "", proxy.Told{Err: err}
	}
	_, err = c.Write([]byte{1, 0})
	return said[0], err
}

// deny5 answers with a code.
func deny5(c *proxy.Conn, code byte, err error) error {
	c.Write(appendBound([]byte{five, code, 0}, netip.AddrPort{}))
	return proxy.Told{Err: err}
}

// code5 returns the code of an answer.
func code5(err error) byte {
	if err == nil {
		return 0
	}
	return map[proxy.Failure]byte{
		proxy.Other: 1, proxy.NotPermitted: 2, proxy.NetworkUnreachable: 3, proxy.HostUnreachable: 4, proxy.Refused: 5, proxy.TimedOut: 6, proxy.NotSupported: 7,
	}[proxy.FailureOf(err)]
}
