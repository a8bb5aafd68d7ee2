package main

import (
	"net"
	"strings"

	"zocalo/address"
	"zocalo/socket"
)

// plainly reads an address that may go without its scheme where its meaning is
// plain: a port or HOST:PORT is of the scheme given, a path of unix.
func (a *app) plainly(text, scheme string) (address.Address, error) {
	if plain := a.sayPlain(text, scheme); plain != "" {
		text = plain
	}
	return parseAddress(text)
}

// sayPlain says how an address without its scheme is read, which it returns; "" for one
// that is read as it is.
func (a *app) sayPlain(text, scheme string) string {
	plain := address.Plain(text, scheme)
	if plain != "" {
		a.log.Debug("taken without a scheme", "given", text, "address", plain)
	}
	return plain
}

// scheme is that of an address without one.
func (c *conversation) scheme() string {
	if c.udp {
		return "udp"
	}
	return "tcp"
}

// addressOf reads the arguments of talk and listen: an address, or what nc
// takes: HOST PORT, PORT.
func (c *conversation) addressOf(args []string) (address.Address, error) {
	text := args[0]
	if len(args) == 2 {
		if strings.ContainsAny(text, "/,") || strings.Contains(text, ":") && net.ParseIP(strings.Trim(text, "[]")) == nil || strings.ContainsAny(args[1], ":/,") {
			return address.Address{}, usagef("%.80q and %.80q are two addresses: give one, or HOST PORT", text, args[1])
		}
		text = net.JoinHostPort(strings.Trim(text, "[]"), args[1])
		if address.Plain(text, c.scheme()) == "" { // the port is a service's name
			text = c.scheme() + ":" + text
		}
	}
	a, err := c.plainly(text, c.scheme())
	if err == nil && c.udp && a.Scheme.Type != socket.Datagram {
		err = usagef("-u is for datagrams, which %v does not have: write udp:HOST:PORT, or omit -u", a)
	}
	return a, err
}
