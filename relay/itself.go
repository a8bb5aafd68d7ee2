package relay

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"

	"zocalo/socket"
)

// refuseItself refuses a TO that is what the relay itself listens on: each peer
// would make another one, until no place is left.
func (r *run) refuseItself(ctx context.Context, own []*socket.Socket, to []end) error {
	for _, to := range to {
		if to.passive || to.Scheme.Resolve == nil || len(own) == 0 {
			continue
		}
		target, err := to.Target(false)
		if err != nil {
			return err
		}
		if to.Scheme.Type != own[0].Type() || !mayMean(to, own[0]) {
			continue
		}
		names, _ := to.Scheme.Resolve(ctx, target) // reaching it tells of errors
		for _, n := range names {
			if slices.ContainsFunc(own, func(s *socket.Socket) bool { return reaches(n, s.Name()) }) {
				return &PairError{r.from.Address, to.Address, "TO is what the relay itself listens on, so each peer would create another: give another TO"}
			}
		}
	}
	return nil
}

// mayMean spares a look-up where the ports differ.
func mayMean(to end, l *socket.Socket) bool {
	_, port, err := net.SplitHostPort(to.Endpoint)
	_, own, errOwn := net.SplitHostPort(l.Name().String())
	return err != nil || errOwn != nil || port == own || port == "" || port[0] < '0' || port[0] > '9'
}

// reaches reports whether a connection to a name comes to the listener on own.
func reaches(n, own socket.Name) bool {
	switch {
	case n == own:
		return true
	case n.Domain() == socket.Unix && own.Domain() == socket.Unix:
		x, err := os.Stat(n.Path())
		y, errOwn := os.Stat(own.Path())
		return err == nil && errOwn == nil && os.SameFile(x, y)
	}
	to, at := n.AddrPort(), own.AddrPort()
	if !to.IsValid() || !at.IsValid() || to.Port() != at.Port() {
		return false
	}
	host, bound := to.Addr().Unmap().WithZone(""), at.Addr().Unmap().WithZone("")
	switch {
	case host.Is4() != bound.Is4():
		return false
	case bound.IsUnspecified():
		return isOwn(host)
	case host.IsUnspecified(): // which the system takes for its own
		return bound.IsLoopback()
	}
	return host == bound
}

// isOwn reports whether an address is one of this machine's.
func isOwn(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	all, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(all, func(own net.Addr) bool {
		p, err := netip.ParsePrefix(own.String())
		return err == nil && p.Addr().WithZone("") == a
	})
}
