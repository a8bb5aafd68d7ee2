package xns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"zocalo/socket"
)

// A HostID is the number of a host, unique in the world: on Ethernet it is the
// address of the interface.
type HostID [6]byte

// Broadcast is the number that means every host on a network.
var Broadcast = HostID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// IsZero reports whether h is the number that no host has, which in a name
// means any or this host.
func (h HostID) IsZero() bool { return h == HostID{} }

// isGroup reports whether h means several hosts.
func (h HostID) isGroup() bool { return h[0]&1 != 0 }

func (h HostID) number() uint64 {
	var b [8]byte
	copy(b[2:], h[:])
	return binary.BigEndian.Uint64(b[:])
}

func hostID(n uint64) (h HostID) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	copy(h[:], b[2:])
	return h
}

// String returns the number as it is written in an address.
func (h HostID) String() string { return formatHex(h.number()) }

// ParseHostID reads a host's number in any form that an address may have it
// in, such as 2-852-151-014, 2.60.8c.12.34.56 or 02608C123456.
func ParseHostID(text string) (HostID, error) {
	n, err := parseField(text, 6)
	if err != nil {
		return HostID{}, fmt.Errorf("host %q: %w", text, err)
	}
	return hostID(n), nil
}

// An Addr is the name of a socket in domain NS: BSD's struct ns_addr.
type Addr struct {
	Net    uint32 // the network; 0 is the one that the host is on
	Host   HostID
	Socket uint16
}

const addrSize = 12 // bytes of an Addr on the wire

// String returns the address so that [ParseAddr] reads it again: network and
// host in hexadecimal, ending in H if the digits do not show that,
// and the socket in decimal, such as 41A#2608C123456#5346.
func (a Addr) String() string {
	return formatHex(uint64(a.Net)) + "#" + a.Host.String() + "#" + strconv.Itoa(int(a.Socket))
}

func formatHex(n uint64) string {
	text := strings.ToUpper(strconv.FormatUint(n, 16))
	if n < 10 || strings.ContainsAny(text, "ABCDEF") {
		return text
	}
	return text + "H"
}

// ParseAddr reads an address as ns_addr(3) has it, network, host and socket.
// Between them is the first of these that occurs: "#", ":" unless a "." comes
// before it, ".". Fields omitted at the end are 0, and so is an empty one. A
// field is
//
//   - groups of decimal digits, 1-2-3 being 1 002 003;
//   - bytes in hexadecimal, between "." or ":";
//   - a number: hexadecimal with H behind it, 0x before it or a letter in it,
//     octal with 0 before it and no 8 or 9 in it, else decimal.
//
// Unlike the original, it reports what it does not understand.
func ParseAddr(text string) (Addr, error) {
	sep := "."
	if strings.Contains(text, "#") {
		sep = "#"
	} else if i := strings.IndexByte(text, ':'); i >= 0 && !strings.Contains(text[:i], ".") {
		sep = ":"
	}
	fields := strings.Split(text, sep)
	if len(fields) > 3 {
		return Addr{}, fmt.Errorf("%.80q has %d fields separated by %q, but an address is net%shost%ssocket", text, len(fields), sep, sep, sep)
	}
	var n [3]uint64
	for i, f := range fields {
		what, bytes := "network", 4
		if i > 0 {
			what, bytes = [...]string{"", "host", "socket"}[i], [...]int{0, 6, 2}[i]
		}
		var err error
		if n[i], err = parseField(f, bytes); err != nil {
			return Addr{}, fmt.Errorf("%s %.40q: %w", what, f, err)
		}
	}
	return Addr{uint32(n[0]), hostID(n[1]), uint16(n[2])}, nil
}

// parseField reads a number of at most that many bytes.
func parseField(text string, bytes int) (n uint64, err error) {
	most := uint64(math.MaxUint64) >> (64 - 8*bytes)
	switch {
	case text == "":
		return 0, nil
	case strings.Contains(text, "-"):
		n, err = parseGroups(text, most)
	case strings.ContainsAny(text, ".:"):
		n, err = parseBytes(text, bytes)
	default:
		n, err = parseNumber(text)
	}
	if err == nil && n > most {
		err = fmt.Errorf("it has more than %d bytes", bytes)
	}
	return n, err
}

func parseGroups(text string, most uint64) (n uint64, err error) {
	for i, group := range strings.Split(text, "-") {
		g, err := strconv.ParseUint(group, 10, 64)
		switch {
		case err != nil, i > 0 && len(group) > 3:
			return 0, errors.New("it is not groups of up to three decimal digits, such as 1-002-003")
		case n > most/1000, n*1000 > most-min(g, most), g > most:
			return 0, fmt.Errorf("it is more than %d", most)
		}
		n = n*1000 + g
	}
	return n, nil
}

func parseBytes(text string, bytes int) (n uint64, err error) {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == '.' || r == ':' })
	if len(parts) > bytes {
		return 0, fmt.Errorf("it has more than %d bytes", bytes)
	}
	if strings.Count(text, ".")+strings.Count(text, ":") != len(parts)-1 {
		return 0, errors.New("there is nothing between two separators")
	}
	for _, p := range parts {
		urgent, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) > 2 {
			return 0, fmt.Errorf("%q is not a byte in hexadecimal", p)
		}
		n = n<<8 | urgent
	}
	return n, nil
}

func parseNumber(text string) (uint64, error) {
	digits, base := text, 10
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "0x"):
		digits, base = strings.TrimSuffix(lower[2:], "h"), 16
	case strings.HasSuffix(lower, "h"):
		digits, base = lower[:len(lower)-1], 16
	case strings.ContainsAny(lower, "abcdef"):
		base = 16
	case len(text) > 1 && text[0] == '0' && !strings.ContainsAny(text, "89"):
		base = 8
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errors.New("the number is too large")
	}
	if err != nil || digits[0] == '+' {
		return 0, errors.New("it is not a number: write 5346, 14E2H, 0x14e2, 2-273 or 2.60.8c.12.34.56")
	}
	return n, nil
}

func (a Addr) put(b []byte) {
	binary.BigEndian.PutUint32(b, a.Net)
	copy(b[4:], a.Host[:])
	binary.BigEndian.PutUint16(b[10:], a.Socket)
}

func getAddr(b []byte) Addr {
	return Addr{binary.BigEndian.Uint32(b), HostID(b[4:10]), binary.BigEndian.Uint16(b[10:])}
}

// matches reports whether b may be the same socket as a, network 0 being the
// one that both are on.
func (a Addr) matches(b Addr) bool {
	return a.Host == b.Host && a.Socket == b.Socket && (a.Net == b.Net || a.Net == 0 || b.Net == 0)
}

// Name returns the address as a name in domain [Domain].
func (a Addr) Name() socket.Name {
	var b [addrSize]byte
	a.put(b[:])
	n, _ := socket.MakeName(Domain, b[:]) // it always fits
	return n
}

// AddrOf returns the address in a name, and whether it is a name in domain
// [Domain].
func AddrOf(n socket.Name) (Addr, bool) {
	var room [socket.MaxName]byte
	data := n.AppendData(room[:0])
	if n.Domain() != Domain || len(data) != addrSize {
		return Addr{}, false
	}
	return getAddr(data), true
}
