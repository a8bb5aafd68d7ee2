package option

import (
	"zocalo/codec"
	"zocalo/socket"
)

// UDPGRO lets the system join datagrams of one size from one peer into a
// train, which Receive then returns as one message with its SegmentSize
// (UDP_GRO; Linux 5.0). It needs buffers of 64 KiB: a train is truncated like any
// message. Read and ReadFrom, which have no place for the SegmentSize, are
// refused while it is set; ReadMsgUDP of [socket.Socket.PacketConn] gives it in the
// control message, as package net's does. With ZOCALO_NO_GRO=1 in the environment setting it has no effect, see
// [socket.Socket.Offloads].
var UDPGRO = New(Spec{
	Name: "gro", Aliases: []string{"udp-gro"}, Constant: "UDP_GRO", Phase: Opened, Default: "off",
	Doc:      "receive datagrams of one size joined into trains, in buffers of 64 KiB",
	Since:    "Linux 5.0",
	Silently: "makes the socket's messages up to 64 KiB long",
}, codec.Flag, func(e socket.Endpoint, on bool) error {
	j, ok := socket.Beneath[groer](e)
	if !ok {
		return &socket.UnsupportedError{Feature: "UDP_GRO", Needs: "a udp socket on Linux"}
	}
	return explained("UDP_GRO", j.SetGRO(on))
}, func(e socket.Endpoint) (bool, error) {
	j, ok := socket.Beneath[groer](e)
	if !ok {
		return false, &socket.UnsupportedError{Feature: "UDP_GRO", Needs: "a udp socket on Linux"}
	}
	on, err := j.GRO()
	return on, explained("UDP_GRO", err)
})

// UDPGSO lets [socket.Socket.SendBatch] send datagrams of one size to one
// peer as one train, which the system splits (UDP_SEGMENT, Linux 4.18). It is
// on wherever [socket.Socket.Offloads] does not say why not; set off, it stays off
// for the socket, which then sends each datagram by itself.
var UDPGSO = New(Spec{
	Name: "gso", Aliases: []string{"udp-gso"}, Constant: "UDP_SEGMENT", Phase: Opened, Default: "on",
	Doc:   "send datagrams of one size as one train, which the system splits; 0 sends each by itself",
	Since: "Linux 4.18",
}, codec.Flag, func(e socket.Endpoint, on bool) error {
	t, ok := socket.Beneath[gsoer](e)
	if !ok {
		return &socket.UnsupportedError{Feature: "UDP_SEGMENT", Needs: "a udp socket on Linux"}
	}
	return t.SetGSO(on)
}, func(e socket.Endpoint) (bool, error) {
	t, ok := socket.Beneath[gsoer](e)
	if !ok {
		return false, &socket.UnsupportedError{Feature: "UDP_SEGMENT", Needs: "a udp socket on Linux"}
	}
	return t.GSO(), nil
})

// A groer can be made to receive trains, and a gsoer kept from sending them: the
// kernel's datagram endpoints, on Linux.
type groer interface {
	SetGRO(bool) error
	GRO() (bool, error)
}

type gsoer interface {
	SetGSO(bool) error
	GSO() bool
}

// AnyPort takes answers from every port of the host that an address names, and
// writes to the one that answered last, as TFTP needs (RFC 1350, section 4). It
// takes effect when an address is connected to.
var AnyPort = New(Spec{
	Name: "any-port", Phase: Naming, Default: "off", Only: ActiveOnly,
	Doc: "accept answers from any port of the host, and continue with the one that answered, as TFTP does",
}, codec.Flag, nil, nil)
