package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"zocalo/codec"
)

// A Destination is a host, by name or address, and a port.
type Destination struct {
	Host string // an address has no brackets
	Port uint16
}

// String writes it as HOST:PORT.
func (d Destination) String() string {
	return net.JoinHostPort(d.Host, strconv.Itoa(int(d.Port)))
}

// Addr returns the host if it is an address.
func (d Destination) Addr() (a netip.Addr, ok bool) {
	a, err := netip.ParseAddr(d.Host)
	return a, err == nil
}

// The longest host name (RFC 1035).
const longestHost = 253

// Check says what is wrong with the host. A peer may ask for any text, and that goes to
// lookups and logs.
func (d Destination) Check() error {
	if a, ok := d.Addr(); ok {
		if a.Zone() != "" {
			return fmt.Errorf("%q has a zone, which only has a meaning on one machine", d.Host)
		}
		return nil
	}
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	}
	switch {
	case d.Host == "":
		return errors.New("the host is missing")
	case len(d.Host) > longestHost:
		return fmt.Errorf("the host name has %d bytes, more than the %d that one may have", len(d.Host), longestHost)
	case strings.ContainsFunc(d.Host, odd):
		return fmt.Errorf("%q is not a host name", d.Host)
	}
	return nil
}

// ParseDestination reads HOST:PORT, with an IPv6 address in brackets.
func ParseDestination(text string) (d Destination, err error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return d, fmt.Errorf("%q is not HOST:PORT, such as db:5432 or [2001:db8::1]:443", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return d, fmt.Errorf("%q is not a port from 1 to 65535", port)
	}
	d = Destination{host, uint16(n)}
	return d, d.Check()
}

var destination = codec.Codec[Destination]{
	Placeholder: "HOST:PORT", Parse: ParseDestination, Format: Destination.String,
}
