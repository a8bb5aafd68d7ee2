package socks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"zocalo/layer/internal/prefix"
	"zocalo/layer/internal/proxy"
)

// The constants of SOCKS (RFC 1928, RFC 1929).
const (
	five = 5
	four = 4

	noPassword    = 0
	passwordAsked = 2
	noMethod      = 0xff

	connectCommand   = 1
	associateCommand = 3

	v4Address = 1
	hostName  = 3
	v6Address = 4
)

// longest is the greatest length of a name, a user and a password.
const longest = 255

// appendDestination appends an address of any type and a port.
func appendDestination(b []byte, d proxy.Destination) []byte {
	if a, ok := d.Addr(); ok {
		b = appendAddr(b, a.Unmap())
	} else {
		b = append(append(b, hostName, byte(len(d.Host))), d.Host...)
	}
	return binary.BigEndian.AppendUint16(b, d.Port)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		b = append(b, v4Address)
	} else {
		b = append(b, v6Address)
	}
	return append(b, a.AsSlice()...)
}

// appendBound appends the bound address of a proxy, or the unspecified address if that is not
// an IP address.
func appendBound(b []byte, bound netip.AddrPort) []byte {
	a := bound.Addr().Unmap().WithZone("")
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	return binary.BigEndian.AppendUint16(appendAddr(b, a), bound.Port())
}

// errAddressType is an address of a type that SOCKS does not have.
var errAddressType = errors.New("the message has an unknown address type")

// readDestination reads what appendDestination appends.
func readDestination(r *prefix.Reader) (d proxy.Destination, err error) {
	kind, err := r.Byte()
	if err != nil {
		return d, err
	}
	var size byte
	switch kind {
	case v4Address:
		size = 4
	case v6Address:
		size = 16
	case hostName:
		if size, err = r.Byte(); err != nil {
			return d, err
		}
	default:
		return d, fmt.Errorf("%w: %d", errAddressType, kind)
	}
	b := make([]byte, int(size)+2)
	if err := r.Full(b); err != nil {
		return d, err
	}
	d.Host, d.Port = string(b[:size]), binary.BigEndian.Uint16(b[size:])
	if kind != hostName {
		a, _ := netip.AddrFromSlice(b[:size])
		d.Host = a.Unmap().String()
	}
	return d, nil
}

// parseDestination is readDestination for the header of a datagram; rest is what follows.
func parseDestination(b []byte) (d proxy.Destination, rest []byte, ok bool) {
	if len(b) < 2 {
		return d, nil, false
	}
	size, host := 0, b[1:]
	switch b[0] {
	case v4Address:
		size = 4
	case v6Address:
		size = 16
	case hostName:
		size, host = int(b[1]), b[2:]
	default:
		return d, nil, false
	}
	if len(host) < size+2 {
		return d, nil, false
	}
	d.Host, d.Port = string(host[:size]), binary.BigEndian.Uint16(host[size:])
	if b[0] != hostName {
		a, _ := netip.AddrFromSlice(host[:size])
		d.Host = a.Unmap().String()
	}
	return d, host[size+2:], true
}
