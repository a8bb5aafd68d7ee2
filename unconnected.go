package zocalo

import (
	"net"
	"net/netip"

	"zocalo/socket"
	"zocalo/socket/option"
)

// answerers says who may answer what is sent to a name, where that are others
// than the name itself: a datagram socket that is connected would not hear them.
func (o *opening) answerers(n socket.Name) (to socket.Correspondents, several bool) {
	a := n.AddrPort().Addr().Unmap()
	if o.kind(n).Type != socket.Datagram || !a.IsValid() {
		return to, false
	}
	broadcast, _ := option.Broadcast.In(o.target.Settings)
	anyPort, _ := option.AnyPort.In(o.target.Settings)
	switch {
	case a.IsMulticast(), broadcast && isBroadcast(a):
		return socket.Correspondents{Peer: n}, true
	case anyPort:
		return socket.Correspondents{Peer: n, Follow: true, Hears: func(from socket.Name) bool { return from.AddrPort().Addr().Unmap() == a }}, true
	}
	return to, false
}

// isBroadcast reports whether a means every machine of a network that this one
// is in.
func isBroadcast(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	networks, _ := net.InterfaceAddrs()
	for _, n := range networks {
		ip, ok := n.(*net.IPNet)
		if !ok || ip.IP.To4() == nil || len(ip.Mask) != 4 {
			continue
		}
		last := [4]byte(ip.IP.To4())
		for i := range last {
			last[i] |= ^ip.Mask[i]
		}
		if ones, _ := ip.Mask.Size(); ones < 31 && netip.AddrFrom4(last) == a {
			return true
		}
	}
	return a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// unconnected returns s, which is named so that it can be told of, with its
// correspondents.
func unconnected(s *socket.Socket, to socket.Correspondents) (*socket.Socket, error) {
	err := error(nil)
	if s.Name().AddrPort().Port() == 0 {
		any := netip.IPv4Unspecified()
		if s.Domain() == socket.Inet6 {
			any = netip.IPv6Unspecified()
		}
		err = s.Bind(socket.InetName(netip.AddrPortFrom(any, 0)))
	}
	u := s
	if err == nil {
		u, err = socket.Unconnected(s, to)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return u, nil
}
