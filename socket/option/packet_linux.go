package option

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"zocalo/codec"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// Options of packet sockets, see packet(7).
var (
	// Promiscuous makes an interface, by its name, hand over the frames for
	// other hosts as well, for as long as the socket lives
	// (PACKET_ADD_MEMBERSHIP with PACKET_MR_PROMISC; Linux 2.2).
	Promiscuous = New(Spec{
		Name: "promisc", Aliases: []string{"promiscuous"}, Constant: "PACKET_ADD_MEMBERSHIP", Phase: Opened, Default: "off", Repeatable: true,
		Doc:   "interface on which to receive frames for other hosts too",
		Since: "Linux 2.2", Privilege: "CAP_NET_RAW, as the socket itself",
	}, codec.Text.Or("INTERFACE"), func(e socket.Endpoint, name string) error { return setPromiscuous(e, name, true) }, nil)

	// NotPromiscuous ends what Promiscuous began.
	NotPromiscuous = New(Spec{
		Name: "no-promisc", Constant: "PACKET_DROP_MEMBERSHIP", Phase: Opened, Default: "off", Repeatable: true,
		Doc:   "interface on which to end promisc",
		Since: "Linux 2.2", Privilege: "CAP_NET_RAW, as the socket itself",
	}, codec.Text.Or("INTERFACE"), func(e socket.Endpoint, name string) error { return setPromiscuous(e, name, false) }, nil)

	// Fanout spreads packets over the bound sockets that give the same
	// number (PACKET_FANOUT, Linux 3.1). It is set after Bind, and holds until
	// the socket is closed.
	Fanout = New(Spec{
		Name: "fanout", Aliases: []string{"packet-fanout"}, Constant: "PACKET_FANOUT", Phase: Naming, Default: "none", Only: PassiveOnly,
		Doc:   "number of a group of sockets to share packets with, and how: ID, or ID:MODE of hash, lb, cpu, rollover, random, queue",
		Since: "Linux 3.1, rollover 3.10, random 3.12, queue 3.14", Privilege: "CAP_NET_RAW, as the socket itself",
	}, codec.Codec[FanoutGroup]{Placeholder: "ID", Parse: ParseFanoutGroup, Format: FanoutGroup.String}, func(e socket.Endpoint, g FanoutGroup) error {
		return setInt(e, "PACKET_FANOUT", sys.SOL_PACKET, sys.PACKET_FANOUT, int(g.ID)|int(g.Mode)<<16)
	}, func(e socket.Endpoint) (FanoutGroup, error) {
		n, err := getInt(e, "PACKET_FANOUT", sys.SOL_PACKET, sys.PACKET_FANOUT)
		return FanoutGroup{uint16(n), FanoutMode(n >> 16 & 0xff)}, err
	})

	// IgnoreOutgoing leaves out the packets that this machine sends
	// (PACKET_IGNORE_OUTGOING, Linux 4.20).
	IgnoreOutgoing = intOption(Spec{
		Name: "ignore-outgoing", Aliases: []string{"packet-ignore-outgoing"}, Constant: "PACKET_IGNORE_OUTGOING", Phase: Opened, Default: "off",
		Doc:   "do not receive the packets that this machine sends",
		Since: "Linux 4.20", Privilege: "CAP_NET_RAW, as the socket itself",
	}, codec.Flag, sys.SOL_PACKET, sys.PACKET_IGNORE_OUTGOING, boolToInt, intToBool)
)

func setPromiscuous(e socket.Endpoint, name string, on bool) error {
	index, err := sys.InterfaceIndex(name)
	if err != nil {
		return err
	}
	return onFD(e, "PACKET_ADD_MEMBERSHIP", func(fd int) syscall.Errno { return sys.SetPromiscuous(fd, index, on) })
}

// A FanoutGroup is a group of packet sockets, and how packets are spread over
// them.
type FanoutGroup struct {
	ID   uint16
	Mode FanoutMode
}

// A FanoutMode is how, under Linux's numbers.
type FanoutMode uint8

// The modes of fanout.
const (
	ByHash     FanoutMode = 0 // of the flow: one flow stays with one socket
	ByTurns    FanoutMode = 1 // round-robin
	ByCPU      FanoutMode = 2 // the processor that it arrived on
	ByRollover FanoutMode = 3 // the first with room (Linux 3.10)
	ByChance   FanoutMode = 4 // at random (Linux 3.12)
	ByQueue    FanoutMode = 5 // the device's queue (Linux 3.14)
)

var fanoutModes = [...]string{"hash", "lb", "cpu", "rollover", "random", "queue"}

// ParseFanoutGroup reads ID or ID:MODE, such as "7:lb".
func ParseFanoutGroup(text string) (FanoutGroup, error) {
	number, mode, found := strings.Cut(text, ":")
	n, err := strconv.ParseUint(number, 0, 16)
	if err != nil {
		return FanoutGroup{}, fmt.Errorf("%q is not a number from 0 to 65535", number)
	}
	if !found {
		return FanoutGroup{uint16(n), ByHash}, nil
	}
	for i, name := range fanoutModes {
		if name == mode {
			return FanoutGroup{uint16(n), FanoutMode(i)}, nil
		}
	}
	return FanoutGroup{}, fmt.Errorf("%q is not one of hash, lb, cpu, rollover, random, queue", mode)
}

// String is the inverse of ParseFanoutGroup.
func (g FanoutGroup) String() string {
	if int(g.Mode) < len(fanoutModes) {
		return fmt.Sprintf("%d:%s", g.ID, fanoutModes[g.Mode])
	}
	return fmt.Sprintf("%d:mode %d", g.ID, g.Mode)
}
