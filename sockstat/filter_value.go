package sockstat

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"zocalo/codec"
)

// A span is a range of numbers, both ends included.
type span struct{ lo, hi uint64 }

func (r span) has(v uint64) bool { return r.lo <= v && v <= r.hi }

// parseRange reads "a", "a..b", "a.." or "..b" in a unit.
func parseRange(text string, u Unit) (span, error) {
	from, to, isRange := strings.Cut(text, "..")
	if !isRange {
		v, err := parseNumber(text, u)
		return span{v, v}, err
	}
	if from == "" && to == "" {
		return span{}, fmt.Errorf("the range %q has no end: write a..b, a.. or ..b", text)
	}
	r := span{0, math.MaxUint64}
	var err error
	if from != "" {
		if r.lo, err = parseNumber(from, u); err != nil {
			return r, err
		}
	}
	if to != "" {
		if r.hi, err = parseNumber(to, u); err != nil {
			return r, err
		}
	}
	if r.lo > r.hi {
		return r, fmt.Errorf("the range %q is empty: its ends are the wrong way round", text)
	}
	return r, nil
}

// parseNumber reads a number in a unit: durations in microseconds.
func parseNumber(text string, u Unit) (uint64, error) {
	switch u {
	case Duration:
		d, err := codec.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration: write seconds, or a number and its unit, such as 500us or 20ms", Quote(text))
		}
		return uint64(d.Microseconds()), nil
	case BytesPerSecond:
		if bits, ok := strings.CutSuffix(text, "bit/s"); ok {
			return parseBits(bits)
		}
		text = strings.TrimSuffix(text, "/s")
		fallthrough
	case Bytes:
		n, err := codec.ParseSize(text)
		return uint64(n), err
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if from, to, isRange := strings.Cut(text, "-"); err != nil && isRange && from != "" && to != "" {
		return 0, fmt.Errorf("%s is not a number: a range is written %s..%s", Quote(text), Quote(from), Quote(to))
	}
	if err != nil {
		return 0, fmt.Errorf("%s is not a number", Quote(text))
	}
	return v, nil
}

// parseBits reads a rate in bits per second without its unit, "9.4G", in bytes per second.
func parseBits(text string) (uint64, error) {
	digits, factor := text, 1.0
	for i, prefix := range "kMGT" {
		if d, ok := strings.CutSuffix(text, string(prefix)); ok {
			digits, factor = d, math.Pow(1000, float64(i+1))
		}
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || !(v >= 0 && v*factor/8 < math.MaxInt64) {
		return 0, fmt.Errorf("%s is not a rate: write bytes per second, such as 1MB, or bits, such as 10Mbit/s", Quote(text+"bit/s"))
	}
	return uint64(v * factor / 8), nil
}

// An end says which end of a socket a value is about: a bit set.
type end uint8

const (
	localEnd end = 1 << iota
	peerEnd
	bothEnds = localEnd | peerEnd
)

// any reports whether match holds for one of the ends. A peer that is not there
// never matches.
func (e end) any(s *Socket, match func(*Name) bool) bool {
	return e&localEnd != 0 && match(&s.Local) ||
		e&peerEnd != 0 && (!s.Kind.inet() || s.hasPeerAddr()) && match(&s.Peer)
}

// conditions makes one kernel condition for each end.
func (e end) conditions(c condition) []condition {
	var list []condition
	for _, one := range [...]end{localEnd, peerEnd} {
		if e&one != 0 {
			c.end = one
			list = append(list, c)
		}
	}
	return list
}

// A condition is what the kernel can test of an internet socket: the port of
// one end within a range, or its address within a prefix, or both.
type condition struct {
	end    end
	lo, hi uint16       // ports; 0 and 0 for any
	prefix netip.Prefix // the zero Prefix for any
}

func portParser(e end) valueParser {
	return func(value string) (alternative, error) {
		if value != "" && unicode.IsLetter(rune(value[0])) {
			port, err := net.LookupPort("tcp", value)
			if err != nil {
				return alternative{}, fmt.Errorf("%s is not a service that this system knows: write the port's number", Quote(value))
			}
			value = strconv.Itoa(port)
		}
		r, err := parseRange(value, Count)
		if err == nil && r.lo > math.MaxUint32 {
			err = fmt.Errorf("%s is not a port: ports go from 0 to 65535, of vsock to 4294967295", Quote(value))
		}
		if err != nil {
			return alternative{}, err
		}
		a := never(func(s *Socket) bool {
			return e.any(s, func(n *Name) bool {
				p, ok := s.port(n)
				return ok && r.has(p)
			})
		})
		a.vsock = r.lo > math.MaxUint16 || r.hi > math.MaxUint16 && r.hi != math.MaxUint64
		// Port 0 is the kernel's word for no port, which is never meant here.
		lo, hi := max(r.lo, 1), min(r.hi, math.MaxUint16)
		if lo <= hi {
			a.conditions = e.conditions(condition{lo: uint16(lo), hi: uint16(hi)})
		}
		return a, nil
	}
}

func nameParser(e end) valueParser {
	return func(value string) (alternative, error) {
		switch {
		case value == "":
			return alternative{}, fmt.Errorf("an empty address")
		case value == "loopback":
			return prefixes(e, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")), nil
		case value == "any":
			return prefixes(e, netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("::/128")), nil
		case strings.HasPrefix(value, "*:"), strings.HasPrefix(value, "%:"):
			return alternative{}, fmt.Errorf("%s is not an address: for a port at any address write port=, lport= or rport=", Quote(value))
		case strings.ContainsRune("/@.*%", rune(value[0])):
			return unixPattern(e, value), nil
		}
		if p, err := netip.ParsePrefix(value); err == nil {
			return prefixes(e, unmapPrefix(p)), nil
		}
		if a, err := netip.ParseAddr(value); err == nil {
			a = a.WithZone("").Unmap()
			return prefixes(e, netip.PrefixFrom(a, a.BitLen())), nil
		}
		if ap, err := netip.ParseAddrPort(value); err == nil {
			return addrPort(e, ap), nil
		}
		if cid, port, ok := parseVsock(value); ok {
			return never(func(s *Socket) bool {
				return s.Kind == Vsock && e.any(s, func(n *Name) bool { return n.CID == cid && n.Port == port })
			}), nil
		}
		return alternative{}, fmt.Errorf("%s is not an address: write one (10.0.0.1), a prefix (10.0.0.0/8), "+
			"address:port, [v6address]:port, loopback, any, a unix path (/run/%%, @name) or cid:port", Quote(value))
	}
}

// unmapPrefix turns a prefix of IPv4-mapped addresses into one of IPv4.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// prefixes agrees with names whose address lies in one of them. An IPv4-mapped
// address counts as IPv4.
func prefixes(e end, list ...netip.Prefix) alternative {
	a := never(func(s *Socket) bool {
		return s.Kind.mayBeInet() && e.any(s, func(n *Name) bool {
			addr := n.Addr.Addr().Unmap().WithZone("")
			for _, p := range list {
				if p.Contains(addr) {
					return true
				}
			}
			return false
		})
	})
	for _, p := range list {
		a.conditions = append(a.conditions, e.conditions(condition{prefix: p})...)
		a.exact = a.exact && kernelAgrees(e, p)
	}
	return a
}

// kernelAgrees reports whether the kernel's view of a prefix is ours. It takes the
// unspecified address, which stands for no peer, for one that lies in
// 0.0.0.0/1, and an IPv4-mapped address for one that lies in ::/0.
func kernelAgrees(e end, p netip.Prefix) bool {
	if p.Addr().Is6() && p.Contains(netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff})) {
		return false
	}
	return e&peerEnd == 0 || !p.Contains(netip.IPv4Unspecified()) && !p.Contains(netip.IPv6Unspecified())
}

func addrPort(e end, ap netip.AddrPort) alternative {
	want := ap.Addr().WithZone("").Unmap()
	a := never(func(s *Socket) bool {
		return s.Kind.mayBeInet() && s.Kind != Raw && e.any(s, func(n *Name) bool {
			return n.Addr.Port() == ap.Port() && n.Addr.Addr().WithZone("").Unmap() == want
		})
	})
	p := netip.PrefixFrom(want, want.BitLen())
	a.exact = ap.Port() != 0 && kernelAgrees(e, p)
	a.conditions = e.conditions(condition{lo: ap.Port(), hi: ap.Port(), prefix: p})
	return a
}

// unixPattern agrees with the names of unix sockets: "@..." with abstract
// ones, all else with paths; and with the texts of what is in user space.
func unixPattern(e end, pattern string) alternative {
	rest, abstract := strings.CutPrefix(pattern, "@")
	// As it is shown: ./ tells a relative path that begins with @ from an abstract name.
	relative, isRelative := strings.CutPrefix(pattern, "./")
	isRelative = isRelative && strings.HasPrefix(relative, "@")
	anything := strings.Trim(pattern[:1], "*%") == ""
	a := never(func(s *Socket) bool {
		return (s.Kind == Unix || !s.Kind.InKernel()) && e.any(s, func(n *Name) bool {
			switch {
			case s.Kind != Unix:
				return n.Text != "" && wild(pattern, n.Text)
			case n.Path == "" && !n.Abstract:
				return false
			case abstract:
				return n.Abstract && wild(rest, n.Path)
			}
			return (!n.Abstract || anything) && wild(pattern, n.Path) || isRelative && !n.Abstract && wild(relative, n.Path)
		})
	})
	if e&peerEnd != 0 {
		a.needs = PeerNames
	}
	return a
}

// parseVsock reads cid:port.
func parseVsock(text string) (cid, port uint32, ok bool) {
	c, p, found := strings.Cut(text, ":")
	cid64, err1 := parseCID(c)
	port64, err2 := parseCID(p)
	return uint32(cid64), uint32(port64), found && err1 == nil && err2 == nil
}

func parseCID(text string) (uint64, error) {
	if text == "any" {
		return AnyCID, nil
	}
	return strconv.ParseUint(text, 10, 32)
}
