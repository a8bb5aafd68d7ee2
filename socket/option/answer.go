package option

import (
	"zocalo/socket"
)

// AnswerAsAsked makes messages to s, a datagram socket that has the name or is
// about to be given it, come with their [socket.PacketInfo] where that is no single
// address for answers to come from: where it stands for all addresses of the
// machine, or for a group. An answer that is sent with what [socket.Ancillary.Answer]
// keeps leaves by the address that was asked. It reports whether it did: not
// where the name has one address, and not where the system cannot (only Linux
// can). Messages that came before may lack the address: call it before Bind.
func AnswerAsAsked(s *socket.Socket, name socket.Name) bool {
	if k := s.Kind(); k.Type != socket.Datagram || k.Domain != socket.Inet && k.Domain != socket.Inet6 {
		return false
	}
	return (name.AddrPort().Addr().Unmap().IsUnspecified() || name.IsGroup()) && ReceivePacketInfo.Set(s, true) == nil
}
