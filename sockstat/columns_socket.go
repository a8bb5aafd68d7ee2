package sockstat

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

var socketColumns = []*Column{
	{Name: "kind", Header: "KIND", Doc: "kind of socket: tcp, mptcp, udp, raw, packet, unix or vsock; within programs: iso, ns, and pair for two ends that zocalo has joined",
		text: func(dst []byte, s *Socket) []byte { return append(dst, s.Kind.String()...) },
		key:  func(dst []byte, s *Socket) []byte { return append(dst, byte(s.Kind)) }},
	{Name: "type", Header: "TYPE", Doc: "type of socket: stream, datagram, seqpacket or raw",
		words: []string{"stream", "datagram", "seqpacket", "raw"},
		text: func(dst []byte, s *Socket) []byte {
			if s.Type == 0 {
				return dst
			}
			return append(dst, s.Type.String()...)
		}},
	{Name: "state", Header: "STATE", Doc: "state: listen, established, time-wait, unconnected and others",
		text: func(dst []byte, s *Socket) []byte { return append(dst, s.State.String()...) },
		key:  func(dst []byte, s *Socket) []byte { return append(dst, byte(s.State)) }},
	{Name: "recvq", Header: "RECV-Q", Unit: Bytes, Doc: "bytes the program has not read yet; for udp and raw the memory of what waits, for unix datagrams the first message; for a listener, connections not accepted yet",
		number: func(s *Socket) (uint64, bool) { return uint64(s.RecvQ), s.Kind != Pair }},
	{Name: "sendq", Header: "SEND-Q", Unit: Bytes, Doc: "bytes not sent or not acknowledged yet; for all but tcp the memory of what is in flight; for a listener, the backlog",
		number: func(s *Socket) (uint64, bool) { return uint64(s.SendQ), s.Kind != Pair }},
	{Name: "local", Header: "LOCAL", Doc: "name of this end",
		text: func(dst []byte, s *Socket) []byte { return appendName(dst, s, &s.Local) },
		key:  func(dst []byte, s *Socket) []byte { return appendNameKey(dst, &s.Local) }},
	{Name: "peer", Header: "PEER", Needs: PeerNames, Doc: "name of the other end",
		text: func(dst []byte, s *Socket) []byte { return appendName(dst, s, &s.Peer) },
		key:  func(dst []byte, s *Socket) []byte { return appendNameKey(dst, &s.Peer) }},
	{Name: "laddr", Header: "LOCAL-ADDRESS", Doc: "internet address of this end",
		text: func(dst []byte, s *Socket) []byte { return appendAddr(dst, s.Local.Addr) },
		key:  func(dst []byte, s *Socket) []byte { return appendAddrKey(dst, s.Local.Addr.Addr()) }},
	{Name: "lport", Header: "LOCAL-PORT", Unit: Count, Doc: "port of this end",
		number: func(s *Socket) (uint64, bool) { return s.port(&s.Local) }},
	{Name: "raddr", Header: "PEER-ADDRESS", Doc: "internet address of the other end",
		text: func(dst []byte, s *Socket) []byte {
			if !s.hasPeerAddr() {
				return dst
			}
			return appendAddr(dst, s.Peer.Addr)
		},
		key: func(dst []byte, s *Socket) []byte { return appendAddrKey(dst, s.Peer.Addr.Addr()) }},
	{Name: "rport", Header: "PEER-PORT", Unit: Count, Doc: "port of the other end",
		number: func(s *Socket) (uint64, bool) { return s.port(&s.Peer) }},
	{Name: "protocol", Header: "PROTOCOL", Unit: Count, Doc: "IP protocol of a raw socket, EtherType of a packet socket (3: all)",
		number: func(s *Socket) (uint64, bool) {
			return uint64(s.Protocol), s.Kind == Raw || s.Kind == Packet
		}},
	{Name: "interface", Header: "INTERFACE", Doc: "network interface that the socket is bound to",
		text: func(dst []byte, s *Socket) []byte { return append(dst, s.Interface...) }},
	{Name: "process", Header: "PROCESS", Needs: Processes, Doc: "names of the processes that hold the socket; in JSON name, pid and descriptor of each",
		text: func(dst []byte, s *Socket) []byte { return appendHolderNames(dst, s.Holders) },
		json: func(dst []byte, s *Socket) []byte { return appendHoldersJSON(dst, s.Holders) }},
	{Name: "pid", Header: "PID", Needs: Processes, Doc: "numbers of the processes that hold the socket", noJSON: true,
		text: func(dst []byte, s *Socket) []byte { return appendPIDs(dst, s.Holders) },
		key:  func(dst []byte, s *Socket) []byte { return appendNumberKey(dst, uint64(firstPID(s.Holders))) }},
	{Name: "fd", Header: "FD", Needs: Processes, Doc: "descriptors through which they hold it", noJSON: true,
		text: func(dst []byte, s *Socket) []byte {
			for i, h := range s.Holders {
				if h.FD < 0 {
					continue
				}
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = strconv.AppendInt(dst, int64(h.FD), 10)
			}
			return dst
		},
		key: func(dst []byte, s *Socket) []byte { return appendNumberKey(dst, uint64(firstFD(s.Holders)+1)) }},
	{Name: "command", Header: "COMMAND", Needs: Processes | Commands, Doc: "command lines of the processes that hold the socket; in JSON pid, path and args of each",
		text: appendCommands, json: appendCommandsJSON},
	{Name: "path", Header: "PATH", Needs: Processes | Commands, Doc: "files of the programs that hold the socket", noJSON: true,
		text: func(dst []byte, s *Socket) []byte {
			return appendDistinct(dst, s.Holders, func(dst []byte, h *Holder) []byte { return append(dst, h.Path...) })
		},
		json: appendPathsJSON},
	{Name: "peer_process", Header: "PEER-PROCESS", Needs: Processes | Peers, Doc: "processes at the other end of a connection inside this host",
		text: func(dst []byte, s *Socket) []byte { return appendHolderNames(dst, s.PeerHolders) },
		json: func(dst []byte, s *Socket) []byte { return appendHoldersJSON(dst, s.PeerHolders) }},
	{Name: "peer_pid", Header: "PEER-PID", Needs: Processes | Peers, Doc: "numbers of the processes at the other end", noJSON: true,
		text: func(dst []byte, s *Socket) []byte { return appendPIDs(dst, s.PeerHolders) },
		key:  func(dst []byte, s *Socket) []byte { return appendNumberKey(dst, uint64(firstPID(s.PeerHolders))) }},
	{Name: "user", Header: "USER", Needs: Users, Doc: "name of the user who created the socket",
		text: func(dst []byte, s *Socket) []byte { return append(dst, s.User...) }},
	{Name: "netns", Header: "NETNS", Doc: "network namespace, with --netns: its name, otherwise a process in it",
		text: func(dst []byte, s *Socket) []byte { return append(dst, s.Netns...) }},
	{Name: "uid", Header: "UID", Unit: Count, Doc: "number of the user who created the socket",
		number: func(s *Socket) (uint64, bool) { return uint64(s.UID), s.HasUID }},
	{Name: "cgroup", Header: "CGROUP", Needs: Cgroups, Doc: "path of the control group that created the socket (TCP, UDP, raw)",
		text: func(dst []byte, s *Socket) []byte { return append(dst, s.Cgroup...) }},
	{Name: "inode", Header: "INODE", Unit: Count, Doc: "inode of the socket",
		number: func(s *Socket) (uint64, bool) { return uint64(s.Inode), s.Inode != 0 }},
	{Name: "peer_inode", Header: "PEER-INODE", Unit: Count, Needs: Peers, Doc: "inode of the other end of a connection inside this host",
		number: func(s *Socket) (uint64, bool) { return uint64(s.PeerInode), s.PeerInode != 0 }},
	{Name: "cookie", Header: "COOKIE", Unit: Count, Doc: "the kernel's number for the socket, never reused",
		number: func(s *Socket) (uint64, bool) { return s.Cookie, s.Cookie != 0 }},
	{Name: "timer", Header: "TIMER", Doc: "timer that runs: retransmit, keepalive, time-wait or probe",
		words: timerNames[1:],
		text:  func(dst []byte, s *Socket) []byte { return append(dst, s.Timer.String()...) }},
	{Name: "expires", Header: "EXPIRES", Unit: Duration, Doc: "time until the timer expires",
		number: func(s *Socket) (uint64, bool) { return uint64(s.Expires.Microseconds()), s.Timer != NoTimer }},
	{Name: "timer_retrans", Header: "TIMER-RETRANS", Unit: Count, Doc: "how many times in a row the timer expired without an answer",
		number: func(s *Socket) (uint64, bool) { return uint64(s.TimerRetransmits), s.Timer != NoTimer }},
	{Name: "mark", Header: "MARK", Unit: Count, Doc: "mark of the socket for routing and firewalls (SO_MARK)",
		number: func(s *Socket) (uint64, bool) { return uint64(s.Mark), s.Mark != 0 }},
	{Name: "shutdown", Header: "SHUTDOWN", Doc: "halves that are shut down: receive, send or both",
		words: shutdownNames[1:],
		text:  func(dst []byte, s *Socket) []byte { return append(dst, shutdownNames[s.Shutdown&3]...) }},
	{Name: "congestion", Header: "CONGESTION", Needs: TCPInfos, Doc: "TCP's congestion control algorithm",
		text: func(dst []byte, s *Socket) []byte { return append(dst, s.Congestion...) }},
	{Name: "ulp", Header: "ULP", Doc: "protocol on top of TCP inside the kernel: tls, mptcp",
		text: func(dst []byte, s *Socket) []byte { return append(dst, s.ULP...) }},
	{Name: "v6only", Header: "V6ONLY", Unit: Flag, Doc: "an IPv6 socket that accepts no IPv4",
		flag: func(s *Socket) bool { return s.V6Only }},
	{Name: "age", Header: "AGE", Unit: Duration, Doc: "for a pair: time since it began",
		number: func(s *Socket) (uint64, bool) {
			if s.Program == nil || s.Program.Began.IsZero() {
				return 0, false
			}
			return uint64(max(s.Program.Now.Sub(s.Program.Began), 0).Microseconds()), true
		}},
	{Name: "orphan", Header: "ORPHAN", Unit: Flag, Doc: "a TCP socket whose program has closed it",
		flag: (*Socket).Orphan},
}

var shutdownNames = [...]string{"", "receive", "send", "both"}

// port is the port of an end that has one.
func (s *Socket) port(n *Name) (uint64, bool) {
	switch s.Kind {
	case TCP, MPTCP, UDP, ISO, NS, Pair:
		return uint64(n.Addr.Port()), n.Addr.Port() != 0
	case Vsock:
		return uint64(n.Port), n.Port != AnyCID
	}
	return 0, false
}

// hasPeerAddr tells a peer's address from the unspecified one that the kernel
// reports for none.
func (s *Socket) hasPeerAddr() bool {
	a := s.Peer.Addr
	return a.IsValid() && (a.Port() != 0 || !a.Addr().IsUnspecified())
}

// appendName appends the text of an end: an address and port, "@name", a
// path, "cid:port", nothing for no name. A relative path that begins with @ is preceded
// by ./ to tell it from an abstract name.
func appendName(dst []byte, s *Socket, n *Name) []byte {
	switch {
	case s.Kind == Raw:
		if n == &s.Peer && !s.hasPeerAddr() {
			return dst
		}
		return appendAddr(dst, n.Addr)
	case s.Kind.inet():
		if n == &s.Peer && !s.hasPeerAddr() || !n.Addr.IsValid() {
			return dst
		}
		return n.Addr.AppendTo(dst)
	case s.Kind == Unix && n.Abstract:
		return append(append(dst, '@'), n.Path...)
	case s.Kind == Unix:
		if len(n.Path) > 0 && n.Path[0] == '@' {
			dst = append(dst, "./"...)
		}
		return append(dst, n.Path...)
	case s.Kind == Vsock:
		if n.CID == AnyCID && n.Port == AnyCID {
			return dst
		}
		dst = appendNumberOrAny(dst, n.CID)
		return appendNumberOrAny(append(dst, ':'), n.Port)
	case s.Kind == Packet && n == &s.Local:
		return append(dst, s.Interface...)
	}
	return append(dst, n.Text...)
}

func appendNumberOrAny(dst []byte, v uint32) []byte {
	if v == AnyCID {
		return append(dst, "any"...)
	}
	return strconv.AppendUint(dst, uint64(v), 10)
}

func appendAddr(dst []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return dst
	}
	return a.Addr().AppendTo(dst)
}

// appendHolderNames appends the distinct names of processes.
func appendHolderNames(dst []byte, holders []Holder) []byte {
	for i, h := range holders {
		if slices.ContainsFunc(holders[:i], func(o Holder) bool { return o.Name == h.Name }) {
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, h.Name...)
	}
	return dst
}

// appendPIDs appends the distinct numbers of processes.
func appendPIDs(dst []byte, holders []Holder) []byte {
	for i, h := range holders {
		if i > 0 && holders[i-1].PID == h.PID {
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(h.PID), 10)
	}
	return dst
}

// CommandLine is the command line with spaces between its arguments, "" where it is not known.
func (h *Holder) CommandLine() string { return strings.Join(h.Args, " ") }

// appendCommands appends command lines. An argument that is not plain is in quotation marks.
func appendCommands(dst []byte, s *Socket) []byte {
	return appendDistinct(dst, s.Holders, func(dst []byte, h *Holder) []byte {
		for i, arg := range h.Args {
			if i > 0 {
				dst = append(dst, ' ')
			}
			if len(h.Args) == 1 { // a title that a process gave itself is whole
				dst = append(dst, arg...)
				continue
			}
			dst = append(dst, Quote(arg)...)
		}
		return dst
	})
}

// appendDistinct appends what text makes of each process, each once, with commas between.
func appendDistinct(dst []byte, holders []Holder, text func([]byte, *Holder) []byte) []byte {
	var done [][]byte
	for i := range holders {
		if i > 0 && holders[i-1].PID == holders[i].PID {
			continue
		}
		one := text(nil, &holders[i])
		if len(one) == 0 || slices.ContainsFunc(done, func(d []byte) bool { return bytes.Equal(d, one) }) {
			continue
		}
		if len(done) > 0 {
			dst = append(dst, ',')
		}
		done = append(done, one)
		dst = append(dst, one...)
	}
	return dst
}

// appendProcessesJSON appends an array with what each makes of each process, nothing where that is nothing.
func appendProcessesJSON(dst []byte, holders []Holder, each func([]byte, *Holder) []byte) []byte {
	start := len(dst)
	for i := range holders {
		if i > 0 && holders[i-1].PID == holders[i].PID {
			continue
		}
		n := len(dst)
		if dst = each(append(dst, ','), &holders[i]); len(dst) == n+1 {
			dst = dst[:n]
		}
	}
	if len(dst) == start {
		return dst
	}
	dst[start] = '['
	return append(dst, ']')
}

func appendPathsJSON(dst []byte, s *Socket) []byte {
	return appendProcessesJSON(dst, s.Holders, func(dst []byte, h *Holder) []byte {
		if h.Path == "" {
			return dst
		}
		return AppendJSONString(dst, h.Path)
	})
}

func appendCommandsJSON(dst []byte, s *Socket) []byte {
	return appendProcessesJSON(dst, s.Holders, func(dst []byte, h *Holder) []byte {
		if h.Path == "" && h.Args == nil {
			return dst
		}
		dst = strconv.AppendInt(append(dst, `{"pid":`...), int64(h.PID), 10)
		if h.Path != "" {
			dst = AppendJSONString(append(dst, `,"path":`...), h.Path)
		}
		if h.Args != nil {
			dst = append(dst, `,"args":[`...)
			for i, arg := range h.Args {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = AppendJSONString(dst, arg)
			}
			dst = append(dst, ']')
		}
		return append(dst, '}')
	})
}

func firstPID(holders []Holder) int {
	if len(holders) == 0 {
		return 0
	}
	return holders[0].PID
}

func appendHoldersJSON(dst []byte, holders []Holder) []byte {
	if len(holders) == 0 {
		return dst
	}
	dst = append(dst, '[')
	for _, h := range holders {
		dst = append(dst, `{"name":`...)
		dst = AppendJSONString(dst, h.Name)
		dst = append(dst, `,"pid":`...)
		dst = strconv.AppendInt(dst, int64(h.PID), 10)
		if h.FD >= 0 {
			dst = append(dst, `,"fd":`...)
			dst = strconv.AppendInt(dst, int64(h.FD), 10)
		}
		dst = append(dst, "},"...)
	}
	return append(bytes.TrimSuffix(dst, []byte(",")), ']')
}

// firstFD is what sockets are ordered by.
func firstFD(holders []Holder) int {
	if len(holders) == 0 {
		return -1
	}
	return holders[0].FD
}
