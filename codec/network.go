package codec

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// ErrNoNetwork is what the error of a text that is neither an address nor a network is.
var ErrNoNetwork = errors.New("neither an address nor a network")

type noNetwork string

func (text noNetwork) Error() string {
	return strconv.Quote(string(text)) + " must be an address (10.0.0.1, ::1) or a network (10.0.0.0/8)"
}

func (noNetwork) Is(target error) bool { return target == ErrNoNetwork }

// ParseNetwork reads a network, such as 10.0.0.0/8, or an address, which is the network of
// that one. Addresses of IPv4 within IPv6 are read as those of IPv4. Bits beyond the prefix
// are refused; what is neither is [ErrNoNetwork].
func ParseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, noNetwork(text)
	}
	if masked := p.Masked(); masked != p {
		return p, fmt.Errorf("%q has bits set beyond its prefix: write %v for the whole network, or %v for the one address", text, masked, p.Addr())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p, nil
}

// FormatNetwork is the inverse of ParseNetwork.
func FormatNetwork(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
