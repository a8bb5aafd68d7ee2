package socket

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// UnmarshalText reads what MarshalText writes of the kernel's domains: "" for the zero
// Name, "127.0.0.1:5346" and "[::1]:5346", a unix path with a slash in it or "@name",
// and "2:5346" for vsock. The names of other domains need their scheme to be read.
func (n *Name) UnmarshalText(text []byte) error {
	t := string(text)
	if t == "" {
		*n = Name{}
		return nil
	}
	if t[0] == '@' || strings.Contains(t, "/") {
		name, err := UnixName(strings.ReplaceAll(t, ",,", ","))
		if err == nil {
			*n = name
		}
		return err
	}
	if ap, err := netip.ParseAddrPort(t); err == nil {
		*n = InetName(ap)
		return nil
	}
	cid, port, _ := strings.Cut(t, ":")
	c, errCID := strconv.ParseUint(cid, 10, 32)
	p, errPort := strconv.ParseUint(port, 10, 32)
	if errCID != nil || errPort != nil {
		return fmt.Errorf("%q is not the name of a socket: write 127.0.0.1:5346, /run/x.sock, @name or CID:PORT", t)
	}
	*n = VSockName(uint32(c), uint32(p))
	return nil
}

// MarshalText returns String, so that logs and JSON have the kind by its name; those
// over IPv6 end in 6, as "tcp6". A kind without a name, or with layers, has its String.
func (k Kind) MarshalText() ([]byte, error) {
	text := k.String()
	for _, name := range []string{text, text + "6"} {
		if named, ok := current().kinds[name]; ok && named == k {
			return []byte(name), nil
		}
	}
	return []byte(text), nil
}

// UnmarshalText reads the name of a kind, as "tcp6" or "unix-seqpacket". One with layers, as "tls+tcp", is read where the program has these.
func (k *Kind) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "+")
	last := len(parts) - 1
	kind, ok := current().kinds[parts[last]]
	if !ok {
		return fmt.Errorf("%q is not a known kind of socket: write one such as tcp, udp6 or unix-seqpacket", text)
	}
	for _, name := range slices.Backward(parts[:last]) {
		l, ok := layerNamed(name)
		if !ok {
			return fmt.Errorf("%q has an unknown layer %q", text, name)
		}
		kind = l.Over(kind)
	}
	*k = kind
	return nil
}

// String returns what the socket is and between whom, as
// "tcp 127.0.0.1:41218 -> 127.0.0.1:5346".
func (s *Socket) String() string {
	text := s.kind.String()
	if n := s.Name().String(); n != "" {
		text += " " + n
	}
	if p := s.Peer().String(); p != "" {
		text += " -> " + p
	}
	return text
}

// MarshalText returns String, so that log/slog and encoding/json write that and not {}.
func (s *Socket) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
