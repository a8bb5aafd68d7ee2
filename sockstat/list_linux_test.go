package sockstat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"zocalo/internal/testenv"
	"zocalo/socket"
)

// linesOf writes a listing in ss's way, sorted.
func linesOf(list []*Socket) []string {
	var lines []string
	for _, s := range list {
		if s.State == Bound { // which ss does not show
			continue
		}
		line := fmt.Sprintf("%s %s %d %d ", s.Kind, s.State, s.RecvQ, s.SendQ)
		if s.Kind == Unix {
			local := s.Local.Path
			if s.Local.Abstract {
				local = "@" + local
			}
			if local == "" {
				local = "*"
			}
			line += fmt.Sprintf("%s %s %d %d", s.Type, local, s.Inode, s.PeerInode)
		} else {
			line += fmt.Sprintf("%s %s ino:%d uid:%d sk:%x", ssName(s, &s.Local), ssName(s, &s.Peer), s.Inode, s.UID, s.Cookie)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func ssName(s *Socket, n *Name) string {
	host := n.Addr.Addr().String()
	switch {
	case n.Addr.Addr().Is6() && n.Addr.Addr().IsUnspecified() && !s.V6Only:
		host = "*"
	case n.Addr.Addr().Is6():
		host = "[" + host + "]"
	}
	if n.Addr.Port() == 0 {
		return host + ":*"
	}
	return host + ":" + strconv.Itoa(int(n.Addr.Port()))
}

var ssStates = map[string]State{"ESTAB": Established, "SYN-SENT": SynSent, "SYN-RECV": SynRecv, "FIN-WAIT-1": FinWait1,
	"FIN-WAIT-2": FinWait2, "TIME-WAIT": TimeWait, "UNCONN": Unconnected, "CLOSE-WAIT": CloseWait, "LAST-ACK": LastAck,
	"LISTEN": Listen, "CLOSING": Closing}
var ssTypes = map[string]socket.Type{"u_str": socket.Stream, "u_dgr": socket.Datagram, "u_seq": socket.SeqPacket}

// ss runs ss in the namespace and gives its lines in the form of linesOf.
func ss(t *testing.T, ns *testNetns, k Kind) []string {
	t.Helper()
	var out []byte
	ns.do(func() (err error) {
		flag := map[Kind]string{TCP: "-t", UDP: "-u", Unix: "-x"}[k]
		out, err = exec.CommandContext(t.Context(), "ss", "-H", "-a", "-n", "-e", flag).Output()
		return err
	})
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if k == Unix {
			lines = append(lines, fmt.Sprintf("unix %s %s %s %s %s %s %s", ssStates[f[1]], f[2], f[3], ssTypes[f[0]], f[4], f[5], f[7]))
			continue
		}
		extra := map[string]string{"ino": "0", "uid": "0"}
		for _, field := range f[5:] {
			if name, value, ok := strings.Cut(field, ":"); ok {
				extra[name] = value
			}
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s %s ino:%s uid:%s sk:%s", k, ssStates[f[0]], f[1], f[2], f[3], f[4],
			extra["ino"], extra["uid"], extra["sk"]))
	}
	slices.Sort(lines)
	return lines
}

func TestEqualsSS(t *testing.T) {
	testenv.Program(t, "ss")
	ns := newNetns(t)
	stillSet(t, ns)
	orphans(t, ns)
	for _, k := range []Kind{TCP, UDP, Unix} {
		t.Run(k.String(), func(t *testing.T) {
			// The set is still for ss too only when two runs around ours agree: an
			// acknowledgement may be on its way.
			for range 100 {
				before := ss(t, ns, k)
				list, _ := collect(t, Query{Kinds: []Kind{k}, Netns: ns.path()})
				if !slices.Equal(before, ss(t, ns, k)) {
					continue
				}
				if len(before) < 5 {
					t.Fatalf("ss lists only %d sockets", len(before))
				}
				if d := cmp.Diff(before, linesOf(list)); d != "" {
					t.Errorf("ss (-) and sockstat (+) differ:\n%s", d)
				}
				return
			}
			t.Fatal("the sockets never kept still")
		})
	}
}

func TestTimeWaitAndOrphans(t *testing.T) {
	ns := newNetns(t)
	timeWaitPort, orphanPort := orphans(t, ns)
	list, _ := collect(t, Query{Netns: ns.path(), Kinds: []Kind{TCP}, Details: Processes})
	var timeWait, orphan *Socket
	for _, s := range list {
		switch int(s.Local.Addr.Port()) {
		case timeWaitPort:
			timeWait = s
		case orphanPort:
			orphan = s
		}
	}
	if timeWait == nil || timeWait.State != TimeWait || timeWait.Inode != 0 || timeWait.Timer != TimeWaitTimer ||
		timeWait.Expires <= 0 || timeWait.Orphan() || timeWait.HasUID {
		t.Errorf("time-wait socket: %s", timeWait.AppendJSON(nil))
	}
	if orphan == nil || orphan.State != FinWait1 || orphan.Inode != 0 || !orphan.Orphan() || orphan.HasUID || orphan.SendQ == 0 || len(orphan.Holders) != 0 {
		t.Errorf("orphan: %s", orphan.AppendJSON(nil))
	}
	f, err := ParseFilter([]string{"orphan=yes"})
	must(t, err)
	if list, _ := collect(t, Query{Netns: ns.path(), Filter: f}); len(list) != 1 || int(list[0].Local.Addr.Port()) != orphanPort {
		t.Errorf("orphan=yes finds %d sockets", len(list))
	}
}

func TestProcNetEqualsNetlink(t *testing.T) {
	ns := newNetns(t)
	stillSet(t, ns)
	_, orphan := orphans(t, ns)
	q := Query{Netns: ns.path(), Kinds: []Kind{TCP, UDP, Unix, Packet, Raw}}
	packet := ns.socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0x0008)
	raw := ns.socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	netlink, _ := collect(t, q)
	refuseNetlink(t)
	proc, notes := collect(t, q)
	if len(notes) != 1 || notes[0].Reason != FromProc {
		t.Errorf("notes %+v", notes)
	}
	lines := func(list []*Socket) []string {
		var lines []string
		for _, s := range list {
			if s.State == Bound {
				continue
			}
			if s.State == Listen || s.Kind == Unix || s.Kind == Packet { // /proc/net has no queues for these, or other ones
				s.RecvQ, s.SendQ = 0, 0
			}
			if port := uint16(orphan); s.Local.Addr.Port() == port || s.Peer.Addr.Port() == port { // its data is on its way yet
				s.RecvQ, s.SendQ = 0, 0
			}
			if s.Kind == Unix { // nor who
				s.UID = 0
			}
			lines = append(lines, fmt.Sprintf("%s %s %s %d %d %d %+v %+v %d %q", s.Kind, s.Type, s.State, s.RecvQ, s.SendQ, s.UID,
				s.Local, s.Peer.Addr, s.Inode, s.Interface))
		}
		slices.Sort(lines)
		return lines
	}
	if d := cmp.Diff(lines(netlink), lines(proc)); d != "" {
		t.Errorf("netlink (-) and /proc/net (+):\n%s", d)
	}
	if s := one(t, proc, Packet, inodeOf(t, packet)); s.Type != socket.Datagram || s.Protocol != 0x0800 {
		t.Errorf("packet socket %s", s.AppendJSON(nil))
	}
	if s := one(t, netlink, Raw, inodeOf(t, raw)); s.Protocol != unix.IPPROTO_ICMP {
		t.Errorf("raw socket %s", s.AppendJSON(nil))
	}
}

func TestPeersJoined(t *testing.T) {
	ns := newNetns(t)
	details := Query{Netns: ns.path(), Details: Peers | Processes | TCPInfos | Memories | Users | Cgroups}
	self := os.Getpid()
	holds := func(s *Socket, fd, peer int) {
		t.Helper()
		if len(s.Holders) != 1 || s.Holders[0].FD != fd || s.Holders[0].PID != self {
			t.Errorf("%s: not held by descriptor %d", s.AppendJSON(nil), fd)
		}
		if len(s.PeerHolders) != 1 || s.PeerHolders[0].FD != peer || s.PeerHolders[0].PID != self || s.PeerHolders[0].Name == "" {
			t.Errorf("%s: the other end is not descriptor %d", s.AppendJSON(nil), peer)
		}
	}
	c4, s4 := ns.pair(unix.AF_INET, ns.listener(unix.AF_INET, loopback4, 5))
	c6, s6 := ns.pair(unix.AF_INET6, ns.listener(unix.AF_INET6, loopback6, 5))
	dual := ns.listener(unix.AF_INET6, &unix.SockaddrInet6{}, 5)
	mapped := ns.socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, unix.Connect(mapped, &unix.SockaddrInet4{Port: port4(dual), Addr: [4]byte{127, 0, 0, 1}}))
	accepted, _, err := unix.Accept4(dual, unix.SOCK_CLOEXEC)
	must(t, err)
	defer unix.Close(accepted)
	path := t.TempDir() + "/odd \x1b[31m\nname"
	cx, sx := ns.pair(unix.AF_UNIX, ns.listener(unix.AF_UNIX, &unix.SockaddrUnix{Name: path}, 5))

	list, _ := collect(t, details)
	for _, pair := range [][2]int{{c4, s4}, {c6, s6}, {mapped, accepted}} {
		a, b := one(t, list, TCP, inodeOf(t, pair[0])), one(t, list, TCP, inodeOf(t, pair[1]))
		holds(a, pair[0], pair[1])
		holds(b, pair[1], pair[0])
		if a.PeerInode != b.Inode || b.PeerInode != a.Inode {
			t.Errorf("inodes %d and %d are not joined: %d, %d", a.Inode, b.Inode, a.PeerInode, b.PeerInode)
		}
		if a.TCPInfo == nil || a.TCPInfo.RTT <= 0 || a.TCPInfo.SendMSS == 0 || a.Congestion == "" || a.Memory == nil || a.Memory.ReceiveLimit == 0 {
			t.Errorf("details are missing: %s", a.AppendJSON(nil))
		}
		if a.CgroupID != 0 && a.Cgroup == "" || a.User == "" {
			t.Errorf("no user or control group: %s", a.AppendJSON(nil))
		}
	}
	a, b := one(t, list, Unix, inodeOf(t, cx)), one(t, list, Unix, inodeOf(t, sx))
	holds(a, cx, sx)
	holds(b, sx, cx)
	if a.Peer.Path != path || b.Local.Path != path || a.Local.Path != "" || b.Peer.Path != "" {
		t.Errorf("names of the unix pair: %+v %+v and %+v %+v", a.Local, a.Peer, b.Local, b.Peer)
	}
	peer, err := FindColumn("peer")
	must(t, err)
	if text := peer.Text(a); strings.ContainsAny(text, "\n\x1b") || text[0] != '"' {
		t.Errorf("an odd path is shown as %q", text)
	}

	f, err := ParseFilter([]string{"peer_pid=" + strconv.Itoa(self), "kind=tcp"})
	must(t, err)
	if joined, _ := collect(t, Query{Netns: ns.path(), Filter: f}); len(joined) != 6 {
		t.Errorf("%d TCP sockets have this process as their peer, want 6", len(joined))
	}
}

func TestMPTCP(t *testing.T) {
	ns := newNetns(t)
	var fd int
	ns.do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
		if err != nil {
			fd = -1
		}
		return nil
	})
	if fd < 0 {
		t.Skip("this kernel has no MPTCP")
	}
	defer unix.Close(fd)
	must(t, unix.Bind(fd, loopback4))
	must(t, unix.Listen(fd, 4))
	c := ns.socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
	sa, err := unix.Getsockname(fd)
	must(t, err)
	must(t, unix.Connect(c, sa))
	s, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	must(t, err)
	defer unix.Close(s)
	list, notes := collect(t, Query{Netns: ns.path(), Kinds: []Kind{MPTCP, TCP}, Details: Peers | Processes | TCPInfos})
	for _, n := range notes {
		if slices.Contains(n.Kinds, MPTCP) {
			t.Skip("this kernel has no mptcp_diag")
		}
	}
	if l := one(t, list, MPTCP, inodeOf(t, fd)); l.State != Listen || l.SendQ != 4 {
		t.Errorf("listener %s", l.AppendJSON(nil))
	}
	conn := one(t, list, MPTCP, inodeOf(t, c))
	if conn.MPTCPInfo == nil || conn.MPTCPInfo.Token == 0 || len(conn.PeerHolders) != 1 || conn.PeerHolders[0].FD != s {
		t.Errorf("connection %s", conn.AppendJSON(nil))
	}
	if sub := one(t, list, TCP, inodeOf(t, c)); sub.ULP != "mptcp" || len(sub.Holders) != 1 {
		t.Errorf("subflow %s", sub.AppendJSON(nil))
	}
}

func TestNetnsNames(t *testing.T) {
	ns := newNetns(t)
	l := ns.listener(unix.AF_INET, loopback4, 3)
	want := inodeOf(t, l)

	name := fmt.Sprintf("sockstat-test-%d", os.Getpid())
	must(t, os.MkdirAll(netnsDir, 0o755))
	path := filepath.Join(netnsDir, name)
	must(t, os.WriteFile(path, nil, 0o444))
	t.Cleanup(func() { os.Remove(path) })
	must(t, unix.Mount(ns.path(), path, "", unix.MS_BIND, ""))
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })

	var cmd *exec.Cmd
	ns.do(func() error {
		cmd, _ = child(t, "wait")
		return nil
	})
	for kind, netns := range map[string]string{"name": name, "path": path, "pid": strconv.Itoa(cmd.Process.Pid)} {
		t.Run(kind, func(t *testing.T) {
			list, _ := collect(t, Query{Netns: netns, Kinds: []Kind{TCP}, Details: Processes})
			if len(list) != 1 {
				t.Fatalf("%d TCP sockets", len(list))
			}
			if s := one(t, list, TCP, want); len(s.Holders) != 1 || s.Holders[0].FD != l {
				t.Errorf("listener %s", s.AppendJSON(nil))
			}
		})
	}
	if list, _ := collect(t, Query{Kinds: []Kind{TCP}}); slices.ContainsFunc(list, func(s *Socket) bool { return s.Inode == want }) {
		t.Error("the namespace's listener is listed outside it")
	}
	for netns, says := range map[string]string{
		name + "x":       "did you mean",
		"/no/such/file":  "no such file",
		"/dev/null":      "not a network namespace",
		"/proc/self/ns/": "not a network namespace",
		"0":              "network namespace",
		"4194305":        "neither a process 4194305 nor", // above the largest number that there is
	} {
		for _, err := range Sockets(t.Context(), Query{Netns: netns}) {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("netns %s: %v", netns, err)
			}
		}
	}
}

func init() {
	childJobs["short"] = listShort
	childJobs["wait"] = func() error { return ready("") }
	childJobs["many"] = holdMany
	childJobs["nobody"] = listAsNobody
}

// holdMany opens as many sockets as its limit allows, up to 15 000.
func holdMany() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	pairs := (min(15000, int(limit.Max)-100)) / 2
	for range pairs {
		if _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
	}
	return ready(strconv.Itoa(pairs * 2))
}

func TestManyDescriptors(t *testing.T) {
	cmd, first := child(t, "many")
	want, err := strconv.Atoi(first)
	must(t, err)
	if want < 15000 {
		t.Logf("the limit of descriptors allows only %d", want)
	}
	f, err := ParseFilter([]string{fmt.Sprintf("pid=%d", cmd.Process.Pid), "kind=unix"})
	must(t, err)
	seen := map[int]bool{}
	for s, err := range Sockets(t.Context(), Query{Filter: f, Details: Peers}) {
		must(t, err)
		if len(s.Holders) != 1 || len(s.PeerHolders) != 1 || s.PeerHolders[0].PID != cmd.Process.Pid || seen[s.Holders[0].FD] {
			t.Fatalf("socket %s", s.AppendJSON(nil))
		}
		seen[s.Holders[0].FD] = true
	}
	// The child's Go runtime and its pipes have no sockets.
	if len(seen) != want {
		t.Errorf("%d sockets found of %d", len(seen), want)
	}
}

// listAsNobody gives up all rights and lists TCP sockets: the notes first, then the sockets.
func listAsNobody() error {
	for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)} {
		if err != nil {
			return err
		}
	}
	type answer struct {
		Notes   []Note
		Sockets []json.RawMessage
	}
	var a answer
	q := Query{Kinds: []Kind{TCP}, Details: Processes | Users | Cgroups, Note: func(n Note) { a.Notes = append(a.Notes, n) }}
	for s, err := range Sockets(context.Background(), q) {
		if err != nil {
			return err
		}
		a.Sockets = append(a.Sockets, s.AppendJSON(nil))
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return ready(string(b))
}

func TestWithoutRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root to start a child that has no rights")
	}
	ns := newNetns(t)
	l := ns.listener(unix.AF_INET, loopback4, 3)
	var first string
	ns.do(func() error {
		_, first = child(t, "nobody")
		return nil
	})
	var a struct {
		Notes   []Note
		Sockets []struct {
			Inode   uint32
			UID     *uint32
			Cgroup  string
			Process []any
		}
	}
	must(t, json.Unmarshal([]byte(first), &a))
	if len(a.Notes) == 0 || a.Notes[len(a.Notes)-1].Reason != HiddenProcesses || !strings.Contains(a.Notes[len(a.Notes)-1].Text, "as root") {
		t.Errorf("notes %+v", a.Notes)
	}
	if len(a.Sockets) != 1 || a.Sockets[0].Inode != inodeOf(t, l) {
		t.Fatalf("sockets %s", first)
	}
	all, _ := collect(t, Query{Netns: ns.path(), Kinds: []Kind{TCP}})
	s := a.Sockets[0]
	if s.UID == nil || *s.UID != 0 || s.Process != nil || s.Cgroup == "" && all[0].CgroupID != 0 {
		t.Errorf("without rights: %s", first)
	}
}

func TestStopAndCancel(t *testing.T) {
	ns := newNetns(t)
	stillSet(t, ns)
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(entries)
	}
	// The first run starts what Go keeps open: its poller.
	collect(t, Query{Netns: ns.path()})
	before := descriptors()
	n := 0
	for _, err := range Sockets(t.Context(), Query{Netns: ns.path(), Details: Peers | Processes}) {
		must(t, err)
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("stopped after %d", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	n = 0
	for s, err := range Sockets(ctx, Query{Netns: ns.path()}) {
		if err == nil && s.Kind == UDP {
			cancel()
		}
		n++
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled after %d: %v", n, last)
	}
	for _, err := range Sockets(ctx, Query{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	}
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// The listener that the example opens is found again by its port.
func ExampleSockets() {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())

	f, err := ParseFilter([]string{"kind=tcp", "state=listen", "local=127.0.0.1", "lport=" + port})
	if err != nil {
		fmt.Println(err)
		return
	}
	for s, err := range Sockets(context.Background(), Query{Filter: f, Details: Processes}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(s.Kind, s.State, s.Local.Addr.Addr(), len(s.Holders), "holder")
	}
	// Output: tcp listen 127.0.0.1 1 holder
}

func TestBoundToInterface(t *testing.T) {
	ns := newNetns(t)
	fd := ns.bound(unix.AF_INET, unix.SOCK_DGRAM, loopback4)
	must(t, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "lo"))
	ns.bound(unix.AF_INET, unix.SOCK_DGRAM, loopback4)
	f, err := ParseFilter([]string{"interface=lo"})
	must(t, err)
	list, _ := collect(t, Query{Netns: ns.path(), Filter: f})
	if len(list) != 1 || list[0].Inode != inodeOf(t, fd) || list[0].Interface != "lo" {
		t.Errorf("%d sockets are bound to lo", len(list))
	}
}

func TestLinkLocalZone(t *testing.T) {
	s := &Socket{Kind: UDP, ifindex: 1}
	s.Local.Addr = netip.MustParseAddrPort("[fe80::1]:5")
	s.Peer.Addr = netip.MustParseAddrPort("[2001:db8::1]:6")
	l := &lister{}
	l.interfaces.fd = -1
	defer l.interfaces.close()
	l.addInterface(s)
	if s.Interface != "lo" || s.Local.Addr.String() != "[fe80::1%lo]:5" || s.Peer.Addr.String() != "[2001:db8::1]:6" {
		t.Errorf("interface %q, %v, %v", s.Interface, s.Local.Addr, s.Peer.Addr)
	}
	if name := l.interfaces.name(1 << 30); name != "1073741824" {
		t.Errorf("an interface that is not there is called %q", name)
	}
}

func TestCgroupMount(t *testing.T) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	if bytes.Contains(mountinfo, []byte(" - cgroup2 ")) {
		c, err := walkCgroups()
		must(t, err)
		var st unix.Stat_t
		root, _ := cgroupMount(string(mountinfo))
		must(t, unix.Lstat(root, &st))
		if c.path(st.Ino) != "/" || c.path(1<<60) != "#1152921504606846976" {
			t.Errorf("paths %q, %q", c.path(st.Ino), c.path(1<<60))
		}
	}
	lines := "1 2 0:3 / /sys rw - sysfs sysfs rw\n31 23 0:26 / /a\\040b rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
	if root, ok := cgroupMount(lines); !ok || root != "/a b" {
		t.Errorf("mounted on %q, %v", root, ok)
	}
	if root, ok := cgroupMount("x\n - cgroup2 \n"); ok {
		t.Errorf("found a mount %q in a malformed file", root)
	}
}

// listShort looks for processes with one descriptor left, for /proc itself.
func listShort() error {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	next := uint64(f.Fd())
	f.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: next + 1, Max: next + 1}); err != nil {
		return err
	}
	_, err = walkHolders(context.Background(), "/proc", false)
	return ready(fmt.Sprint(err))
}

// Without descriptors to look into processes, sockets are not said to have none.
func TestShortOfDescriptors(t *testing.T) {
	_, line := child(t, "short")
	if !strings.Contains(line, "look into process") || !strings.Contains(line, "too many open files: raise the limit") {
		t.Errorf("error %q", line)
	}
}
