package iso

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"zocalo/socket"
)

// The domains: ISO transport over IPv4, and over IPv6. They are two, as those
// of the Internet are, so that a host's addresses race and a listener has a
// socket for each.
const (
	Domain  socket.Domain = 0x107
	Domain6 socket.Domain = 0x108
)

// DefaultPort is the port of ISO transport, TCP's (RFC 1006, section 4) and
// UDP's.
const DefaultPort = 102

// A name's bytes are those of its internet name, then its selector's. They
// tell each other apart by the domain: internet names have a fixed size.
const (
	bytes4 = 10
	bytes6 = 22
)

// MakeName returns the name of a selector at an address and port, in [Domain]
// or [Domain6] as the address says. An invalid address gives the zero Name; a
// selector that is too long is an error.
func MakeName(at netip.AddrPort, s Selector) (socket.Name, error) {
	return upperName(socket.InetName(at), s)
}

// AddrPort returns the address and port of a name of these domains, and the
// zero AddrPort for another.
func AddrPort(n socket.Name) netip.AddrPort {
	lower, err := lowerName(n)
	if err != nil {
		return netip.AddrPort{}
	}
	return lower.AddrPort()
}

// SelectorOf returns the selector of a name of these domains: "" where it has
// none.
func SelectorOf(n socket.Name) Selector {
	var data [socket.MaxName]byte
	b := n.AppendData(data[:0])
	if i := internetBytes(n.Domain()); i > 0 && len(b) > i {
		return Selector(b[i:])
	}
	return ""
}

// ParseName reads what a name prints as: ADDRESS:PORT, and after it
// ",tsap=SELECTOR" where it has one. It looks nothing up.
func ParseName(text string) (socket.Name, error) {
	where, option, has := strings.Cut(text, ",")
	at, err := netip.ParseAddrPort(where)
	if err != nil {
		return socket.Name{}, fmt.Errorf("name %.80q: it must begin with ADDRESS:PORT", text)
	}
	if !has {
		return MakeName(at, "")
	}
	value, ok := strings.CutPrefix(option, "tsap=")
	if !ok {
		return socket.Name{}, fmt.Errorf("name %.80q: only tsap=SELECTOR may follow the comma", text)
	}
	s, err := ParseSelector(strings.ReplaceAll(value, ",,", ","))
	if err != nil {
		return socket.Name{}, err
	}
	return MakeName(at, s)
}

func formatName(n socket.Name) string {
	text := AddrPort(n).String()
	if s := SelectorOf(n); s != "" {
		text += ",tsap=" + s.String()
	}
	return text
}

func internetBytes(d socket.Domain) int {
	switch d {
	case Domain:
		return bytes4
	case Domain6:
		return bytes6
	}
	return 0
}

// upperName returns the name of a selector at an internet name.
func upperName(lower socket.Name, s Selector) (socket.Name, error) {
	var d socket.Domain
	switch lower.Domain() {
	case socket.Inet:
		d = Domain
	case socket.Inet6:
		d = Domain6
	case socket.Unspecified:
		return socket.Name{}, nil
	default:
		return socket.Name{}, os.NewSyscallError("iso", syscall.EAFNOSUPPORT)
	}
	if len(s) > MaxSelector {
		return socket.Name{}, fmt.Errorf("a selector of %d bytes: the maximum is %d", len(s), MaxSelector)
	}
	var data [socket.MaxName]byte
	return socket.MakeName(d, append(lower.AppendData(data[:0]), s...))
}

// upper is upperName of what is known to be right.
func upper(lower socket.Name, s Selector) socket.Name {
	n, _ := upperName(lower, s)
	return n
}

// lowerName returns the internet name within a name of these domains.
func lowerName(n socket.Name) (socket.Name, error) {
	d := socket.Inet
	switch n.Domain() {
	case Domain:
	case Domain6:
		d = socket.Inet6
	default:
		return socket.Name{}, os.NewSyscallError("iso", syscall.EAFNOSUPPORT)
	}
	var data [socket.MaxName]byte
	b := n.AppendData(data[:0])
	if i := internetBytes(n.Domain()); len(b) >= i {
		return socket.MakeName(d, b[:i])
	}
	return socket.Name{}, os.NewSyscallError("iso", syscall.EINVAL)
}
