package option

import (
	"fmt"
	"math"
	"strings"
	"syscall"
	"time"

	"zocalo/codec"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// Options that concern how the system handles a socket's packets, see
// socket(7). All are Linux's.
var (
	// Mark is the mark of the packets sent, for routing rules and filters
	// (SO_MARK, Linux 2.6.25). It needs CAP_NET_ADMIN or, since 5.17,
	// CAP_NET_RAW.
	Mark = intOption(Spec{
		Name: "mark", Aliases: []string{"so-mark"}, Constant: "SO_MARK", Phase: Opened, Default: "0",
		Doc:   "mark of the packets sent, for routing and filters",
		Since: "Linux 2.6.25", Privilege: "CAP_NET_ADMIN, or CAP_NET_RAW since 5.17",
	}, codec.Integer, sys.SOL_SOCKET, sys.SO_MARK, same, same)

	// Device binds the socket to one network interface, by its name: packets
	// leave and arrive only by it (SO_BINDTODEVICE, Linux 2.0.30). ""
	// removes the binding. Since 5.7 it needs no privilege on a socket
	// that is not bound to one yet, else CAP_NET_RAW.
	Device = New(Spec{
		Name: "device", Aliases: []string{"so-bindtodevice", "interface"}, Constant: "SO_BINDTODEVICE", Phase: Opened, Default: "any",
		Doc:   "network interface by which packets leave and arrive",
		Since: "Linux 2.0.30", Privilege: "CAP_NET_RAW to change it, and before 5.7 to set it",
	}, codec.Text.Or("INTERFACE"), func(e socket.Endpoint, name string) error {
		return setText(e, "SO_BINDTODEVICE", sys.SOL_SOCKET, sys.SO_BINDTODEVICE, name)
	}, func(e socket.Endpoint) (string, error) {
		return getText(e, "SO_BINDTODEVICE", sys.SOL_SOCKET, sys.SO_BINDTODEVICE)
	})

	// Priority is the queueing priority of the packets sent (SO_PRIORITY).
	// Above 6 it needs CAP_NET_ADMIN or CAP_NET_RAW. Setting [TypeOfService]
	// on IPv4 silently changes it.
	Priority = intOption(Spec{
		Name: "priority", Aliases: []string{"so-priority"}, Constant: "SO_PRIORITY", Phase: Opened, Default: "0",
		Doc:   "queueing priority of the packets sent",
		Since: "Linux 2.0", Privilege: "CAP_NET_ADMIN or CAP_NET_RAW for more than 6",
		Silently: "is changed by tos on IPv4",
	}, codec.AtLeast(codec.Integer, 0), sys.SOL_SOCKET, sys.SO_PRIORITY, same, same)

	// MaxPacingRate is the most bytes per second that leave the socket, evenly
	// spaced (SO_MAX_PACING_RATE, Linux 3.13). TCP paces itself by it;
	// everything else needs the queueing discipline fq.
	MaxPacingRate = intOption(Spec{
		Name: "max-pacing-rate", Aliases: []string{"so-max-pacing-rate"}, Constant: "SO_MAX_PACING_RATE", Phase: Opened, Default: "no bound",
		Doc:      "maximum bytes per second, evenly spaced",
		Since:    "Linux 3.13",
		Silently: "affects only TCP unless the interface's queueing discipline is fq; 4 GiB or more is no limit",
	}, codec.AtLeast(codec.Size, 1), sys.SOL_SOCKET, sys.SO_MAX_PACING_RATE,
		func(n int) int { return int(min(int64(n), math.MaxUint32)) }, func(n int) int { return int(uint32(n)) })

	// IncomingCPU is the processor that last handled a packet of the socket;
	// set on sockets that share a name by [ReusePort], it prefers the one
	// whose processor the packet came by (SO_INCOMING_CPU, Linux 3.19; with
	// effect on UDP and TCP listeners since 6.2). -1 is none.
	IncomingCPU = intOption(Spec{
		Name: "incoming-cpu", Aliases: []string{"so-incoming-cpu"}, Constant: "SO_INCOMING_CPU", Phase: Opened, Default: "none",
		Doc:      "CPU whose packets this socket prefers, among sockets that share a name by reuseport",
		Since:    "Linux 3.19, can be set since 4.4",
		Silently: "has no effect on which socket is chosen before 6.2",
	}, codec.AtLeast(codec.Integer, 0), sys.SOL_SOCKET, sys.SO_INCOMING_CPU, same, same)

	// BusyPoll is how long a receive that finds nothing polls the device's
	// queue before it waits (SO_BUSY_POLL, Linux 3.11); its resolution
	// is 1 µs. Raising it needs CAP_NET_ADMIN. Devices that cannot be polled,
	// such as loopback, silently ignore it, and so do calls that do not wait,
	// like those of this package.
	BusyPoll = intOption(Spec{
		Name: "busy-poll", Aliases: []string{"so-busy-poll"}, Constant: "SO_BUSY_POLL", Phase: Opened, Default: "0",
		Doc:   "how long to poll the device for packets before waiting",
		Since: "Linux 3.11", Privilege: "CAP_NET_ADMIN to raise it",
		Silently: "is ignored by devices without busy polling, such as loopback, and by calls that do not wait, such as this package's",
	}, codec.Duration, sys.SOL_SOCKET, sys.SO_BUSY_POLL,
		func(d time.Duration) int { return int(d / time.Microsecond) },
		func(n int) time.Duration { return time.Duration(n) * time.Microsecond })

	// PassCredentials makes messages of a unix socket come with their
	// sender's [socket.Credentials] (SO_PASSCRED). It also gives an unbound socket
	// that sends a name in the abstract namespace.
	PassCredentials = intOption(Spec{
		Name: "passcred", Aliases: []string{"so-passcred"}, Constant: "SO_PASSCRED", Phase: Opened, Default: "off",
		Doc:      "receive the sender's process, user and group with each message, of unix sockets",
		Since:    "Linux 2.2",
		Silently: "gives an unbound sender an abstract name",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_PASSCRED, boolToInt, intToBool)

	// PassPIDFD makes messages of a unix socket come with a descriptor of
	// their sender's process (SO_PASSPIDFD, Linux 6.5).
	PassPIDFD = intOption(Spec{
		Name: "passpidfd", Aliases: []string{"so-passpidfd"}, Constant: "SO_PASSPIDFD", Phase: Opened, Default: "off",
		Doc:   "receive a descriptor of the sender's process with each message, of unix sockets",
		Since: "Linux 6.5",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_PASSPIDFD, boolToInt, intToBool)

	// Timestamps makes messages come with the [socket.Ancillary] Time when they
	// arrived, in nanoseconds (SO_TIMESTAMPNS, Linux 2.6.22).
	Timestamps = intOption(Spec{
		Name: "timestamp", Aliases: []string{"so-timestamp", "timestamps"}, Constant: "SO_TIMESTAMPNS", Phase: Opened, Default: "off",
		Doc:      "receive the time of arrival with each message",
		Since:    "Linux 2.6.22",
		Silently: "may miss the first messages after it is set",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_TIMESTAMPNS, boolToInt, intToBool)

	// Timestamping chooses which times are taken (SO_TIMESTAMPING, Linux
	// 2.6.30): of arrival, with Receive, and of sending, with ReceiveError. TCP
	// takes those of sending only once there is a connection. The first
	// messages after times of arrival were asked for may come without them.
	// Devices without a clock, or with the clock switched off, silently leave
	// out hardware times. Time and HardwareTime tell the two kinds apart.
	Timestamping = intOption(Spec{
		Name: "timestamping", Aliases: []string{"so-timestamping"}, Constant: "SO_TIMESTAMPING", Phase: Opened, Default: "none",
		Doc:      "times to take, joined by +: received, received-hardware, sent, sent-hardware, scheduled, acknowledged",
		Since:    "Linux 2.6.30, scheduled and acknowledged 3.17",
		Silently: "leaves out hardware times where the card has no clock or it is off, and may miss the first messages after it is set",
	}, codec.Codec[TimestampSet]{Placeholder: "TIMES", Parse: ParseTimestampSet, Format: TimestampSet.String}, sys.SOL_SOCKET, sys.SO_TIMESTAMPING,
		TimestampSet.toSystem, func(n int) TimestampSet { return TimestampSet(n) & allTimes })

	// ReceiveDropped makes messages come with the number that the full
	// receive queue has dropped (SO_RXQ_OVFL, Linux 2.6.33).
	ReceiveDropped = intOption(Spec{
		Name: "rxq-ovfl", Aliases: []string{"so-rxq-ovfl", "receive-dropped"}, Constant: "SO_RXQ_OVFL", Phase: Opened, Default: "off",
		Doc:      "receive, with each message, how many messages a full queue has dropped",
		Since:    "Linux 2.6.33",
		Silently: "leaves the number out while it is 0",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_RXQ_OVFL, boolToInt, intToBool)

	// AllowZeroCopy lets Send leave the data of a message with the flag
	// [socket.ZeroCopy] where it is until it has left (SO_ZEROCOPY, Linux 4.14 for
	// TCP, 5.0 for UDP, 6.7 for vsock). Until [socket.Socket.ReceiveError] says so
	// with an entry FromZeroCopy, the memory must not be changed: see
	// [socket.ZeroCopies]. It pays off from
	// about 10 KiB per message; if the kernel copies all the same, as over
	// loopback, the entry says that too.
	AllowZeroCopy = intOption(Spec{
		Name: "zerocopy", Aliases: []string{"so-zerocopy"}, Constant: "SO_ZEROCOPY", Phase: Opened, Default: "off",
		Doc:      "let sends that ask for it leave the data where it is",
		Since:    "Linux 4.14, UDP 5.0, vsock 6.7",
		Silently: "still copies where it must, for example over loopback",
	}, codec.Flag, sys.SOL_SOCKET, sys.SO_ZEROCOPY, boolToInt, intToBool)

	// ReusePortProgram gives the sockets that share a name by [ReusePort] a
	// program that chooses among them (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5;
	// 4.6 for TCP): its result is the index of a socket, in the order in which
	// they were bound. An index that no socket has silently falls back to the
	// system's choice. It holds for the whole group, and cannot be read.
	ReusePortProgram = New(Spec{
		Name: "reuseport-bpf", Constant: "SO_ATTACH_REUSEPORT_CBPF", Phase: Opened, Default: "none",
		Doc:      "instructions of classic BPF that choose among the sockets of one name",
		Since:    "Linux 4.5, TCP 4.6",
		Silently: "falls back to its own choice if the program names no socket",
	}, codec.Codec[[]BPF]{Format: func(p []BPF) string { return fmt.Sprintf("%d instructions", len(p)) }}, func(e socket.Endpoint, p []BPF) error {
		if len(p) == 0 || len(p) > 4096 {
			return fmt.Errorf("a program of %d instructions: it may have 1 to 4096", len(p))
		}
		program := make([]sys.BPF, len(p))
		for i, instruction := range p {
			program[i] = sys.BPF(instruction)
		}
		return onFD(e, "SO_ATTACH_REUSEPORT_CBPF", func(fd int) syscall.Errno { return sys.AttachReusePort(fd, program) })
	}, nil)

	// ReusePortProgramFD is the same with a loaded eBPF program, by its
	// descriptor (SO_ATTACH_REUSEPORT_EBPF, Linux 4.5), such as that of
	// cilium/ebpf's Program.FD: of type socket filter or sk_reuseport.
	ReusePortProgramFD = New(Spec{
		Name: "reuseport-ebpf", Constant: "SO_ATTACH_REUSEPORT_EBPF", Phase: Opened, Default: "none",
		Doc:   "descriptor of an eBPF program that chooses among the sockets of one name",
		Since: "Linux 4.5, TCP 4.6, type sk_reuseport 4.19", Privilege: "CAP_BPF to load the program",
		Silently: "falls back to its own choice if the program names no socket",
	}, codec.Integer.Or("FD"), func(e socket.Endpoint, program int) error {
		return setInt(e, "SO_ATTACH_REUSEPORT_EBPF", sys.SOL_SOCKET, sys.SO_ATTACH_REUSEPORT_EBPF, program)
	}, nil)
)

// BPF is an instruction of classic BPF, struct sock_filter of
// linux/filter.h.
type BPF struct {
	Op     uint16
	Jt, Jf uint8
	K      uint32
}

// A TimestampSet says which times [Timestamping] takes, under Linux's numbers.
type TimestampSet uint32

// The times.
const (
	SentHardwareTime     TimestampSet = 1 << 0
	SentTime             TimestampSet = 1 << 1
	ReceivedHardwareTime TimestampSet = 1 << 2
	ReceivedTime         TimestampSet = 1 << 3
	ScheduledTime        TimestampSet = 1 << 8
	AcknowledgedTime     TimestampSet = 1 << 9

	sendTimes = SentHardwareTime | SentTime | ScheduledTime | AcknowledgedTime
	allTimes  = sendTimes | ReceivedHardwareTime | ReceivedTime
)

// toSystem adds what makes the times be reported: both clocks, and for sending
// a number and no copy of the data.
func (s TimestampSet) toSystem() int {
	const software, rawHardware, number, timeOnly = 1 << 4, 1 << 6, 1 << 7, 1 << 11
	n := int(s)
	if s != 0 {
		n |= software | rawHardware
	}
	if s&sendTimes != 0 {
		n |= number | timeOnly
	}
	return n
}

var timestampNames = []struct {
	name string
	set  TimestampSet
}{
	{"received", ReceivedTime}, {"received-hardware", ReceivedHardwareTime}, {"sent", SentTime},
	{"sent-hardware", SentHardwareTime}, {"scheduled", ScheduledTime}, {"acknowledged", AcknowledgedTime},
}

// ParseTimestampSet reads names joined by +, such as "received+sent"; "none" is the
// empty set.
func ParseTimestampSet(text string) (TimestampSet, error) {
	var s TimestampSet
	if text == "none" {
		return 0, nil
	}
parts:
	for part := range strings.SplitSeq(text, "+") {
		for _, n := range timestampNames {
			if n.name == part {
				s |= n.set
				continue parts
			}
		}
		return 0, fmt.Errorf("%q is not a time: give received, received-hardware, sent, sent-hardware, scheduled or acknowledged, joined by +", part)
	}
	return s, nil
}

// String is the inverse of ParseTimestampSet.
func (s TimestampSet) String() string {
	var parts []string
	for _, n := range timestampNames {
		if s&n.set != 0 {
			parts = append(parts, n.name)
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, "+")
}

// setText and getText are for options whose value is a text.
func setText(e socket.Endpoint, constant string, level, name int, text string) error {
	return onOption(e, constant, name, func(fd int) syscall.Errno { return sys.Setsockopt(fd, level, name, append([]byte(text), 0)) })
}

func getText(e socket.Endpoint, constant string, level, name int) (text string, err error) {
	err = onOption(e, constant, name, func(fd int) syscall.Errno {
		var b [64]byte
		n, errno := sys.Getsockopt(fd, level, name, b[:])
		text, _, _ = strings.Cut(string(b[:n]), "\x00")
		return errno
	})
	return text, err
}

func setInt(e socket.Endpoint, constant string, level, name, v int) error {
	return onOption(e, constant, name, func(fd int) syscall.Errno { return sys.SetInt(fd, level, name, v) })
}

func getInt(e socket.Endpoint, constant string, level, name int) (v int, err error) {
	err = onOption(e, constant, name, func(fd int) (errno syscall.Errno) {
		v, errno = sys.GetInt(fd, level, name)
		return errno
	})
	return v, err
}

// onOption is onFD for an option that this system may lack: its number is then
// negative.
func onOption(e socket.Endpoint, constant string, name int, call func(fd int) syscall.Errno) error {
	if name < 0 {
		return &socket.UnsupportedError{Feature: constant, Needs: "Linux"}
	}
	return onFD(e, constant, call)
}
