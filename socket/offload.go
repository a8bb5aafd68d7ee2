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
// option [option.UDPGRO] was set. ZOCALO_NO_GSO=1 and ZOCALO_NO_GRO=1 in the
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
	SetGRO(bool) error
	GRO() (bool, error)
	// refuseJoined is the error of a read that could not tell the datagrams
	// of a train apart, nil while none are joined.
	refuseJoined() error
}
