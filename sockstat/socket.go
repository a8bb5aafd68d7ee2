package sockstat

import (
	"net/netip"
	"slices"
	"time"

	"zocalo/internal/nearest"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A Kind is a kind of socket.
type Kind uint8

// The kinds, in the order in which they are listed.
const (
	TCP         Kind = iota // a TCP socket, or a subflow of an MPTCP one
	MPTCP                   // an MPTCP socket as its program sees it
	UDP                     // a UDP socket
	Raw                     // a raw IP socket (SOCK_RAW, AF_INET or AF_INET6)
	Packet                  // a link-layer socket (AF_PACKET)
	Unix                    // a unix socket of any type
	Vsock                   // a socket between a virtual machine and its host
	kernelKinds             // those that the kernel knows

	// What programs have in user space, and tell of themselves: see Query.Programs.
	ISO  Kind = iota - 1 // an ISO transport socket
	NS                   // an XNS socket
	Pair                 // two ends that a program has joined
	kindCount
)

var kindNames = [kindCount]string{"tcp", "mptcp", "udp", "raw", "packet", "unix", "vsock", "iso", "ns", "pair"}

// String gives the name that filters and JSON use, as "tcp".
func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return "kind?"
}

// Kinds lists all kinds.
func Kinds() []Kind {
	all := make([]Kind, kindCount)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// InKernel reports whether the kernel's tables have the kind.
func (k Kind) InKernel() bool { return k < kernelKinds }

// ParseKind finds a kind by its name.
func ParseKind(name string) (Kind, error) {
	if i := slices.Index(kindNames[:], name); i >= 0 {
		return Kind(i), nil
	}
	return 0, nearest.Unknown("kind", name, kindNames[:])
}

// inet reports whether sockets of this kind have internet names.
func (k Kind) inet() bool { return k <= Raw }

// mayBeInet reports whether their names may have an internet address.
func (k Kind) mayBeInet() bool { return k.inet() || !k.InKernel() }

// A State is a socket's state, with the numbers that Linux uses for all
// domains (include/net/tcp_states.h).
type State uint8

// The states. Those between SynSent and Closing occur in TCP only.
const (
	Established State = 1  // connected; also a datagram socket that has a peer
	SynSent     State = 2  // connect sent its SYN and waits for the answer
	SynRecv     State = 3  // a SYN came in and was answered; the last ACK of the handshake is awaited
	FinWait1    State = 4  // closed here; the peer has not yet acknowledged that
	FinWait2    State = 5  // closed here and acknowledged; the peer has not closed
	TimeWait    State = 6  // both closed; the pair of names rests until old segments are gone
	Unconnected State = 7  // no peer: a datagram socket, or a stream socket not yet used
	CloseWait   State = 8  // the peer closed; the program here has not
	LastAck     State = 9  // closed here after the peer; the last acknowledgement is awaited
	Listen      State = 10 // waits for connections
	Closing     State = 11 // both closed at once
	Bound       State = 13 // TCP: has a name and neither listens nor is connected (Linux 6.8)
	stateCount  State = 14
)

var stateNames = [stateCount]string{
	"", "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait",
	"unconnected", "close-wait", "last-ack", "listen", "closing", "", "bound",
}

// stateAliases are words for states that people bring along from other tools,
// and for groups of states.
var stateAliases = map[string][]State{
	"estab":        {Established},
	"listening":    {Listen},
	"unconnected":  {Unconnected, Bound},
	"unconn":       {Unconnected, Bound},
	"closed":       {Unconnected, Bound},
	"timewait":     {TimeWait},
	"synchronized": {Established, FinWait1, FinWait2, TimeWait, CloseWait, LastAck, Closing},
	"connected":    {Established, SynSent, SynRecv, FinWait1, FinWait2, TimeWait, CloseWait, LastAck, Closing},
}

// String gives the name that filters and JSON use, as "time-wait".
func (s State) String() string {
	if s < stateCount && stateNames[s] != "" {
		return stateNames[s]
	}
	return "state?"
}

// ParseState finds one state by its name or by another common spelling of it
// ("estab", "listening", "unconn", "closed", "timewait"). Three words stand for several states:
// "connected" is every state with a peer, "synchronized" those of them past the handshake,
// "unconnected" those that are bound too.
func ParseState(name string) ([]State, error) {
	if s, ok := stateAliases[name]; ok {
		return slices.Clone(s), nil
	}
	if i := slices.Index(stateNames[:], name); i >= 0 && name != "" {
		return []State{State(i)}, nil
	}
	return nil, nearest.Unknown("state", name, StateWords())
}

// StateWords returns the words that ParseState takes, without its other spellings.
func StateWords() []string {
	known := slices.DeleteFunc(slices.Clone(stateNames[:]), func(s string) bool { return s == "" })
	return append(known, "connected", "synchronized")
}

// A Timer is the timer that runs on a TCP socket.
type Timer uint8

// The timers (net/ipv4/inet_diag.c).
const (
	NoTimer         Timer = 0
	RetransmitTimer Timer = 1 // data, a SYN or a FIN is sent again when it ends
	KeepaliveTimer  Timer = 2 // an idle peer is probed when it ends
	TimeWaitTimer   Timer = 3 // the socket goes away when it ends
	ProbeTimer      Timer = 4 // the peer's window is zero; it is probed when it ends
)

var timerNames = [...]string{"", "retransmit", "keepalive", "time-wait", "probe"}

// String gives the timer's name, "" for none.
func (t Timer) String() string {
	if int(t) < len(timerNames) {
		return timerNames[t]
	}
	return "timer?"
}

// A Name is one end of a socket. Which fields count depends on the kind of
// the socket; the zero Name is no name.
type Name struct {
	// Addr is the address and port of an internet socket, the zone of a
	// link-local address included. An IPv4 peer of an IPv6 socket is an
	// IPv4-mapped address, as in the kernel. A raw socket's port is 0.
	Addr netip.AddrPort

	// Path is the name of a unix socket, without the leading NUL of an
	// abstract one. It is as its program gave it: any byte but NUL may be in
	// a path, any byte at all in an abstract name.
	Path     string
	Abstract bool

	// CID and Port name the end of a vsock socket; AnyCID stands for no
	// particular one.
	CID, Port uint32

	// Text is the name of what is in user space, as its program writes it: any text.
	// Where it has an internet address and port, Addr has them too.
	Text string
}

// String returns the name as a table shows it, by Quote where that is needed; "" for
// none.
func (n Name) String() string {
	kind := Unix
	switch {
	case n == (Name{}):
		return ""
	case n.Text != "":
		return Quote(n.Text)
	case n.Addr.IsValid():
		return n.Addr.String()
	case n.CID != 0 || n.Port != 0:
		kind = Vsock
	}
	return Quote(string(appendName(nil, &Socket{Kind: kind}, &n)))
}

// AnyCID is the context identifier, and the port, that stands for all of them
// (VMADDR_CID_ANY and VMADDR_PORT_ANY).
const AnyCID = 1<<32 - 1

// A Holder is a descriptor through which a process holds a socket.
type Holder struct {
	PID  int    // the process, as this process's pid namespace numbers it
	Name string // its command name (/proc/PID/comm), at most 15 bytes, of any value
	FD   int    // the descriptor's number; -1 for what has none

	// With Details Commands, as far as this user may see them:
	Path string   // the program's file (/proc/PID/exe), of any value; " (deleted)" follows where it is gone
	Args []string // the command line (/proc/PID/cmdline), 128 KiB at most; a process may have changed it
}

// A Socket is one socket of this host.
//
// The one that [Sockets] yields is overwritten by the next; [Socket.Clone]
// keeps it.
type Socket struct {
	Kind  Kind
	Type  socket.Type
	State State

	Local, Peer Name

	// Netns is the network namespace that the socket is in: what Query.Netns was, and with
	// AllNetns the name in /run/netns, else the lowest process id that is in it, else
	// the path of a thread's in /proc. Each of them will do as Query.Netns.
	Netns string

	// Protocol is the IP protocol of a raw socket and the EtherType of a
	// packet socket (3, ETH_P_ALL, is every type; 0 is none yet).
	Protocol uint16

	// Interface is the network interface that the socket is bound to, "" for
	// any. It is a number where the name could not be found.
	Interface string

	// Program is what a program tells of what it has in user space, else nil.
	Program *Program

	// RecvQ is how many bytes the program has not yet read, of TCP and of unix
	// streams and seqpackets; of UDP and raw sockets the memory that what waits
	// takes up; of unix datagrams the length of the first message. SendQ is how
	// many bytes TCP has sent and that are not yet acknowledged, or not yet
	// sent, and the memory that takes up of all others. On a listening socket
	// RecvQ is how many connections wait to be accepted and SendQ how many may
	// (the backlog).
	RecvQ, SendQ uint32

	// UID is the user who made the socket, where HasUID: the kernel tells none of
	// one that no descriptor belongs to.
	UID    uint32
	HasUID bool
	User   string // the user's name, with Details Users; the number where there is no name

	Inode  uint32 // the socket's inode; 0 where no descriptor belongs to it (time-wait, orphans, requests)
	Cookie uint64 // the kernel's own number for the socket, never used twice; 0 where it is not known

	Timer            Timer
	Expires          time.Duration // until the timer ends
	TimerRetransmits uint8         // how many times the timer has ended in vain

	Mark     uint32 // SO_MARK; 0 too without CAP_NET_ADMIN
	Shutdown uint8  // which halves are shut down: 1 receiving, 2 sending
	V6Only   bool   // an IPv6 socket that does not take IPv4

	Congestion string // TCP's congestion control algorithm, with Details TCPInfos
	ULP        string // the protocol on top of TCP inside the kernel: "tls", "mptcp"

	CgroupID uint64 // the control group that made the socket (cgroup2), 0 if not known
	Cgroup   string // its path, with Details Cgroups

	Memory    *Memory           // with Details Memories, else nil
	TCPInfo   *option.TCPInfo   // with Details TCPInfos, on TCP sockets that have one, else nil
	MPTCPInfo *option.MPTCPInfo // with Details TCPInfos, on MPTCP sockets, else nil

	// Holders are the descriptors that refer to the socket, with Details
	// Processes, as far as this user may see them.
	Holders []Holder

	ifindex  uint32 // what Interface and the zones of addresses are made from
	infoSize int    // bytes of the kernel's struct tcp_info; 0 where it was not from there

	// PeerInode is the inode of the socket at the other end of a connection inside
	// this host, 0 if not known: for unix sockets always, for TCP and MPTCP with Details Peers.
	// PeerHolders are the descriptors that refer to it.
	PeerInode   uint32
	PeerHolders []Holder
}

// Orphan reports whether no descriptor belongs to a TCP socket any more: its
// program has closed it, and the kernel finishes the connection. One that waits
// to be accepted has no descriptor either, but nobody has closed it.
func (s *Socket) Orphan() bool {
	if s.Kind != TCP || s.Inode != 0 {
		return false
	}
	switch s.State {
	case FinWait1, FinWait2, LastAck, Closing:
		return true
	}
	return false
}

// Listening reports whether the socket waits for whoever comes: a listener, or
// a socket without connections (datagram, raw, packet) that has no peer and a
// name to which others can send.
func (s *Socket) Listening() bool {
	switch {
	case s.State == Listen:
		return true
	case s.State != Unconnected || s.Type == socket.Stream || s.Type == socket.SeqPacket:
		return false
	case s.Kind == Unix:
		return s.Local.Path != "" || s.Local.Abstract
	}
	return true
}

// reset empties s and keeps its slices for use again.
func (s *Socket) reset() {
	*s = Socket{Holders: s.Holders[:0], PeerHolders: s.PeerHolders[:0]}
}

// Clone returns a copy that shares nothing with s.
func (s *Socket) Clone() *Socket {
	c := *s
	c.Memory = clonePointer(s.Memory)
	c.TCPInfo = clonePointer(s.TCPInfo)
	c.MPTCPInfo = clonePointer(s.MPTCPInfo)
	c.Program = clonePointer(s.Program)
	c.Holders = slices.Clone(s.Holders)
	c.PeerHolders = slices.Clone(s.PeerHolders)
	return &c
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// Memory is what a socket takes up in the kernel, in bytes (SK_MEMINFO,
// include/uapi/linux/sock_diag.h).
type Memory struct {
	Receive      uint32 // in the receive queue, with the kernel's own overhead
	ReceiveLimit uint32 // the most it may be: SO_RCVBUF
	Send         uint32 // handed to the network and not yet freed
	SendLimit    uint32 // the most it may be: SO_SNDBUF
	Forward      uint32 // reserved for the socket and not yet used
	SendQueue    uint32 // queued and waiting, sent or not
	Options      uint32 // socket options and filters
	Backlog      uint32 // segments that arrived while the program was inside a call
	Drops        uint32 // how many messages were dropped (a count)
}
