package socket_test

import (
	"net/netip"

	"zocalo/socket"
)

func loopback(port uint16) socket.Name {
	return socket.InetName(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
}
