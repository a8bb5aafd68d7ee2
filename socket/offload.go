package socket

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"zocalo/internal/sys"
)

// Offloads say what the system does for a datagram socket with whole trains
// of datagrams, each of which passes through it as one.
type Offloads struct {
	Send    Offload // one send for many datagrams of one size (GSO)
	Receive Offload // many datagrams of one size received as one (GRO)
}

// An Offload is one of them.
type Offload struct {
	On     bool
	Reason string // why it is off; "" while it is on
}

// An Offloader knows its offloads.
type Offloader interface {
	Offloads() Offloads
}

// Offloads returns the state of the socket's offloads, which only udp has, on
// Linux. Sending is on until the system says that no train will ever leave:
// from then on it is off for good, and the socket cuts trains itself. That the
// packets of a path are too short for the segments of a train concerns its
// destination alone: for ten minutes, segments of that size go there one by one.
// Receiving is on where the
// option [JoinDatagrams] was set. ZOCALO_NO_GSO=1 and ZOCALO_NO_GRO=1 in the
// environment switch them off, and so does a kernel that is known to corrupt
// what it sends.
func (s *Socket) Offloads() Offloads {
	if o, ok := As[Offloader](s.endpoint); ok {
		return o.Offloads()
	}
	none := Offload{Reason: "a " + s.kind.String() + " socket has none"}
	return Offloads{none, none}
}

// offload is the state of one: the reason why it is off, nil while it is on.
type offload struct{ off atomic.Pointer[string] }

// turnOff turns it off for good; "" is no reason. The first reason stays.
func (o *offload) turnOff(reason string) {
	if reason != "" {
		o.off.CompareAndSwap(nil, &reason)
	}
}

func (o *offload) state() Offload {
	if p := o.off.Load(); p != nil {
		return Offload{Reason: *p}
	}
	return Offload{On: true}
}

// sendRefusal is why trains are never sent on this system, "" if they may be.
var sendRefusal = sync.OnceValue(refuseSend)

func refuseSend() string {
	if os.Getenv("ZOCALO_NO_GSO") == "1" {
		return "ZOCALO_NO_GSO=1"
	}
	return corrupting(sys.Release())
}

// receiveRefusal is why trains are never received on this system.
var receiveRefusal = sync.OnceValue(refuseReceive)

func refuseReceive() string {
	if os.Getenv("ZOCALO_NO_GRO") == "1" {
		return "ZOCALO_NO_GRO=1"
	}
	return ""
}

// corrupting returns why a kernel must not be given trains: Linux 7.0 to 7.1.4
// corrupt those whose segments are all of one size
// (github.com/tailscale/tailscale/issues/19918).
func corrupting(release string) string {
	version, ok := parseRelease(release)
	if ok && version[0] == 7 && (version[1] == 0 || version[1] == 1 && version[2] <= 4) {
		return "Linux " + release + " corrupts trains of equal segments (7.0 to 7.1.4 do)"
	}
	return ""
}

// parseRelease reads the three numbers of a kernel's release; those that are
// not there are 0.
func parseRelease(release string) (v [3]int, ok bool) {
	numbers, _, _ := strings.Cut(release, "-")
	for i, text := range strings.SplitN(numbers, ".", 3) {
		if end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
			text = text[:end]
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return v, i > 0
		}
		v[i] = n
	}
	return v, true
}

// A joiner can be made to receive trains.
type joiner interface {
	setJoins(bool) error
	joins() (bool, error)
	// refuseJoined is the error of a read that could not tell the datagrams
	// of a train apart, nil while none are joined.
	refuseJoined() error
}

// JoinDatagrams lets the system join datagrams of one size from one peer to a
// train, which Receive then returns as one message with its SegmentSize
// (UDP_GRO; Linux 5.0). It needs buffers of 64 KiB: a train is cut short as any
// message is. Read and ReadFrom, which have no place for the SegmentSize, are
// refused while it is set; ReadMsgUDP of [Socket.PacketConn] tells it in the
// control message, as package net's does. With ZOCALO_NO_GRO=1 in the environment setting it has no effect, see
// [Socket.Offloads].
var JoinDatagrams = NewOption(Spec{
	Name: "gro", Aliases: []string{"udp-gro"}, Constant: "UDP_GRO", Phase: Opened, Default: "off",
	Doc:      "receive datagrams of one size joined to trains, in buffers of 64 KiB",
	Since:    "Linux 5.0",
	Silently: "makes the socket's messages up to 64 KiB long",
}, Flag, func(e Endpoint, on bool) error {
	j, ok := Beneath[joiner](e)
	if !ok {
		return &UnsupportedError{Feature: "UDP_GRO", Needs: "a udp socket on Linux"}
	}
	return j.setJoins(on)
}, func(e Endpoint) (bool, error) {
	j, ok := Beneath[joiner](e)
	if !ok {
		return false, &UnsupportedError{Feature: "UDP_GRO", Needs: "a udp socket on Linux"}
	}
	return j.joins()
})

// A trainSender can be kept from sending trains.
type trainSender interface {
	setTrains(bool) error
	trains() bool
}

// SegmentDatagrams lets [Socket.SendBatch] send datagrams of one size to one
// peer as one train, which the system cuts (UDP_SEGMENT, Linux 4.18). It is
// on wherever [Socket.Offloads] does not say why not; set off, it stays off
// for the socket, which then sends each datagram by itself.
var SegmentDatagrams = NewOption(Spec{
	Name: "gso", Aliases: []string{"udp-gso"}, Constant: "UDP_SEGMENT", Phase: Opened, Default: "on",
	Doc:   "send datagrams of one size as one train, which the system cuts; 0 sends each by itself",
	Since: "Linux 4.18",
}, Flag, func(e Endpoint, on bool) error {
	t, ok := Beneath[trainSender](e)
	if !ok {
		return &UnsupportedError{Feature: "UDP_SEGMENT", Needs: "a udp socket on Linux"}
	}
	return t.setTrains(on)
}, func(e Endpoint) (bool, error) {
	t, ok := Beneath[trainSender](e)
	if !ok {
		return false, &UnsupportedError{Feature: "UDP_SEGMENT", Needs: "a udp socket on Linux"}
	}
	return t.trains(), nil
})
