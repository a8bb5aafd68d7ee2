package sockstat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// A lister is one run of a query.
type lister struct {
	q    *Query
	emit func(*Socket) bool

	ns         *os.File // nil for the calling thread's
	netns      string   // its name
	diag       *diag    // nil where netlink is refused
	holders    *holders
	refused    bool // netlink was, in this namespace or in one before
	peers      *peers
	cgroups    *cgroups
	noCgroups  bool
	interfaces interfaces
	users      map[uint32]string

	states   uint32
	counting bool // what no table has: all sockets of some processes are asked for
	parser   parser
	socket   Socket
	mptcp    map[uint32]struct{} // inodes of the MPTCP sockets that were listed, where subflows are folded
	unseen   int                 // sockets whose process is not known
	changed  uint32              // kinds whose table changed while it was read, or of which a part is missing
	whole    int                 // answers of netlink for a kind that came to their end, each of one file of procFiles, that for TCP of both
	told     int                 // sockets of the answer that came last
}

// dial is replaced by tests that refuse netlink.
var dial = dialDiag

// list runs a query.
func list(ctx context.Context, q *Query, emit func(*Socket) bool) error {
	l := &lister{q: q, emit: emit, states: q.stateMask(), users: make(map[uint32]string)}
	everything, kernels := &Query{}, uint32(1<<kernelKinds-1)
	l.counting = q.Filter.Needs()&Processes != 0 && q.kindMask()&kernels == kernels && l.states == everything.stateMask()
	l.interfaces.fd = -1
	err := l.run(ctx)
	l.leave()
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

func (l *lister) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	kinds := l.q.kindMask()
	if l.q.AllNetns && l.q.Netns != "" {
		return fmt.Errorf("network namespace %s and all of them are asked for: choose one", Quote(l.q.Netns))
	}
	var err error
	if l.q.Details&Processes != 0 {
		if l.holders, err = walkHolders(ctx, "/proc", l.q.Details&Commands != 0); err != nil {
			return err
		}
	}
	if l.q.AllNetns {
		err = l.runAll(ctx, kinds)
	} else if l.ns, err = openNetns(l.q.Netns); err == nil {
		l.netns = l.q.Netns
		err = l.runOne(ctx, kinds)
	}
	if err != nil {
		return err
	}
	l.closingNotes()
	return nil
}

// leave closes what belongs to a namespace.
func (l *lister) leave() {
	l.diag.close()
	l.interfaces.close()
	if l.ns != nil {
		l.ns.Close()
	}
	l.ns, l.diag, l.interfaces, l.peers = nil, nil, interfaces{fd: -1}, nil
}

// runOne lists the namespace that was opened.
func (l *lister) runOne(ctx context.Context, kinds uint32) (err error) {
	if err := l.open(ctx, kinds); err != nil {
		return err
	}
	if l.q.Details&(Peers|PeerNames) != 0 && l.diag != nil {
		if l.peers, err = l.collectPeers(ctx, kinds); err != nil {
			return err
		}
	}
	order := Kinds()[:kernelKinds]
	if l.q.FoldSubflows {
		order[TCP], order[MPTCP] = MPTCP, TCP
		l.mptcp = make(map[uint32]struct{})
	}
	for _, k := range order {
		if kinds&(1<<k) == 0 {
			continue
		}
		if err := l.list(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// open opens netlink in the namespace, if that is allowed.
func (l *lister) open(ctx context.Context, kinds uint32) (err error) {
	l.interfaces.ns = l.ns
	l.diag, err = dial(ctx, l.ns)
	var call *os.SyscallError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &call) && call.Syscall == "setns":
		return enterError(err)
	case !refused(err):
		if short := shortage(err); short != nil {
			err = short
		}
		return fmt.Errorf("open netlink: %w", err)
	}
	l.refused = true
	var fromProc []Kind
	for _, k := range Kinds()[:kernelKinds] {
		if kinds&(1<<k) != 0 && procFiles[k] != nil {
			fromProc = append(fromProc, k)
		}
	}
	l.q.note(Note{Reason: FromProc, Kinds: fromProc, Text: fmt.Sprintf("netlink is refused here (%v): sockets are read from "+
		"/proc/net, without details and without peers", err)})
	return nil
}

// refused reports whether err means that netlink, or a part of it, is not to be had here.
func refused(err error) bool {
	for _, no := range [...]error{unix.EPERM, unix.EACCES, unix.ENOENT, unix.ENOSYS, unix.EAFNOSUPPORT,
		unix.EPROTONOSUPPORT, unix.EOPNOTSUPP, unix.EINVAL} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// list lists one kind, from /proc/net where netlink does not know it.
func (l *lister) list(ctx context.Context, k Kind) error {
	if l.diag == nil {
		return l.fromProc(ctx, k, procFiles[k], nil)
	}
	l.whole = 0
	err := l.fromDiag(ctx, k)
	var errno unix.Errno
	if errors.As(err, &errno) && refused(errno) {
		// What netlink has told already is not listed again.
		files := procFiles[k]
		if l.told > 0 {
			l.changed |= 1 << k
			l.whole++
		}
		if k == TCP && l.whole > 0 {
			l.whole = len(files)
		}
		if l.whole > 0 && l.whole >= len(files) {
			return nil
		}
		return l.fromProc(ctx, k, files[min(l.whole, len(files)):], errno)
	}
	if err != nil && !errors.Is(err, errStop) {
		return fmt.Errorf("list %s sockets: %w", k, err)
	}
	return err
}

// fromDiag lists one kind with sock_diag. The error is a plain errno where the
// kernel refuses the kind.
func (l *lister) fromDiag(ctx context.Context, k Kind) error {
	s, p := &l.socket, &l.parser
	var parse func(body []byte) error
	switch k {
	case Packet:
		if l.states&(1<<Unconnected) == 0 {
			return nil
		}
		parse = func(body []byte) error { return p.packet(body, l.q.Details, s) }
		return l.dump(ctx, k, packetRequest(), l.each(parse))
	case Unix:
		show := uint32(unixShowName | unixShowPeer | unixShowQueues | unixShowUID)
		if l.q.Details&Memories != 0 {
			show |= unixShowMemory
		}
		parse = func(body []byte) error { return p.unix(body, s) }
		return l.dump(ctx, k, unixRequest(l.states, show), l.each(parse))
	case Vsock:
		parse = func(body []byte) error { return p.vsock(body, s) }
		return l.dump(ctx, k, vsockRequest(l.states), l.each(parse))
	}
	program, none := l.q.Filter.compile()
	if none {
		return nil
	}
	if k == Raw { // has no ports; what stands in their place is not to be tested
		program = nil
	}
	parse = func(body []byte) error { return p.inet(body, k, s) }
	for _, family := range families(k) {
		request := inetRequest(k, family, l.states, l.q.Details, program)
		if err := l.dump(ctx, k, request, l.each(parse)); err != nil {
			return err
		}
	}
	return nil
}

// each parses an answer, completes it and hands it to the caller.
func (l *lister) each(parse func(body []byte) error) func(body []byte) error {
	return func(body []byte) error {
		l.told++
		if err := parse(body); err != nil {
			return err
		}
		return l.finish()
	}
}

// dump is diag.dump; it remembers whose table changed.
func (l *lister) dump(ctx context.Context, k Kind, request []byte, each func(body []byte) error) error {
	l.told = 0
	interrupted, err := l.diag.dump(ctx, request, each)
	if interrupted {
		l.changed |= 1 << k
	}
	if err == nil {
		l.whole++
	}
	return err
}

// finish adds the details to the socket that was just parsed, and hands it to the
// caller if the filter wants it. It gives errStop when the caller has seen enough.
func (l *lister) finish() error {
	s := &l.socket
	if s.Inode == 0 && s.UID == 0 { // where nobody holds it the kernel has 0 for nobody
		s.HasUID = false
	}
	if l.counting {
		l.holders.see(s.Inode)
	}
	if l.states&(1<<s.State) == 0 {
		return nil
	}
	s.Netns = l.netns
	l.addInterface(s)
	if l.q.Details&Users != 0 && s.HasUID {
		s.User = l.user(s.UID)
	}
	if l.q.Details&Cgroups != 0 && s.CgroupID != 0 {
		s.Cgroup = l.cgroup(s.CgroupID)
	}
	s.Holders = l.holders.find(s.Holders, s.Inode)
	if l.peers != nil {
		l.addPeer(s)
	}
	s.PeerHolders = l.holders.find(s.PeerHolders, s.PeerInode)
	if !l.q.Filter.Match(s) || l.q.Want != nil && !l.q.Want(s) || l.folded(s) {
		return nil
	}
	if s.Inode != 0 && len(s.Holders) == 0 {
		l.unseen++
	}
	if !l.emit(s) {
		return errStop
	}
	return nil
}

// folded reports whether s carries an MPTCP socket that was listed: it has the same inode.
func (l *lister) folded(s *Socket) bool {
	if l.mptcp == nil || s.Inode == 0 {
		return false
	}
	switch s.Kind {
	case MPTCP:
		l.mptcp[s.Inode] = struct{}{}
	case TCP:
		_, listed := l.mptcp[s.Inode]
		return listed
	}
	return false
}

func (l *lister) addInterface(s *Socket) {
	if s.ifindex == 0 {
		return
	}
	s.Interface = l.interfaces.name(s.ifindex)
	s.Local.Addr = withZone(s.Local.Addr, s.Interface)
	s.Peer.Addr = withZone(s.Peer.Addr, s.Interface)
}

func withZone(a netip.AddrPort, zone string) netip.AddrPort {
	if ip := a.Addr(); ip.Is6() && (ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast()) {
		return netip.AddrPortFrom(ip.WithZone(zone), a.Port())
	}
	return a
}

func (l *lister) addPeer(s *Socket) {
	switch s.Kind {
	case TCP, MPTCP:
		if s.Inode != 0 && s.hasPeerAddr() {
			s.PeerInode = l.peers.inode(s)
		}
	case Unix:
		if s.PeerInode != 0 {
			s.Peer = l.peers.name(s.PeerInode)
		}
	}
}

// user finds the name of a user, once each.
func (l *lister) user(uid uint32) string {
	if name, ok := l.users[uid]; ok {
		return name
	}
	name := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	if len(l.users) >= 1<<16 {
		clear(l.users)
	}
	l.users[uid] = name
	return name
}

// cgroup finds the path of a control group; the tree is read when the first one is asked for.
func (l *lister) cgroup(id uint64) string {
	if l.cgroups == nil && !l.noCgroups {
		var err error
		if l.cgroups, err = walkCgroups(); err != nil {
			l.noCgroups = true
			l.q.note(Note{Reason: NoCgroups, Text: fmt.Sprintf("control groups are shown by number: %v", err)})
		}
	}
	if l.noCgroups {
		return "#" + strconv.FormatUint(id, 10)
	}
	return l.cgroups.path(id)
}

// closingNotes says what the listing turned out to lack.
func (l *lister) closingNotes() {
	if l.holders != nil && l.holders.hidden && l.unseen > 0 {
		l.q.note(hiddenNote(l.unseen))
	}
	l.noteUnlisted()
	var changed []Kind
	for _, k := range Kinds() {
		if l.changed&(1<<k) != 0 {
			changed = append(changed, k)
		}
	}
	if changed != nil {
		l.q.note(Note{Reason: Interrupted, Kinds: changed, Text: fmt.Sprintf("the kernel's tables of %v sockets changed while they were "+
			"read, or it stopped in the middle: some may be missing or doubled", changed)})
	}
}

// noteUnlisted counts the sockets that no table has.
func (l *lister) noteUnlisted() {
	if !l.counting || l.refused || l.changed != 0 {
		return
	}
	n := 0
	var s Socket
	for _, inode := range l.holders.unseen() {
		s.reset()
		s.Inode = inode
		if s.Holders = l.holders.find(s.Holders, inode); l.q.Filter.Match(&s) && (l.q.Want == nil || l.q.Want(&s)) {
			n++
		}
	}
	if n > 0 {
		l.q.note(Note{Reason: Unlisted, Text: fmt.Sprintf("%d more of their sockets are in no table of this network namespace: "+
			"never bound, of a kind that is not listed (netlink, alg, bluetooth ...), or of another namespace", n)})
	}
}

// fromProc lists one kind from files of /proc/net, because sock_diag refused it with why, or
// netlink is refused altogether (why is nil).
func (l *lister) fromProc(ctx context.Context, k Kind, files []string, why error) error {
	if files == nil {
		if !l.kindExists(k) {
			return nil // no such sockets can be here
		}
		l.q.note(Note{Reason: NotListed, Kinds: []Kind{k}, Text: fmt.Sprintf("%s sockets cannot be listed: this kernel's sock_diag is "+
			"refused or lacks them, and /proc/net does not have them", k)})
		return nil
	}
	if why != nil {
		l.q.note(Note{Reason: FromProc, Kinds: []Kind{k}, Text: fmt.Sprintf("%s sockets are read from /proc/net, without details, "+
			"because sock_diag refuses them (%v)", k, why)})
	}
	for _, name := range files {
		f, err := l.openProcNet(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6, or without this kind
		}
		if err != nil {
			return fmt.Errorf("list %s sockets: %w", k, err)
		}
		err = l.readProcNet(ctx, f, k)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// kindExists reports whether the kernel has a kind of socket at all: whether its
// list of protocols names it. Without the list, it may.
func (l *lister) kindExists(k Kind) bool {
	f, err := l.openProcNet("protocols")
	if err != nil {
		return true
	}
	defer f.Close()
	return slices.Contains(procProtocols(f), [...]string{MPTCP: "MPTCP", Vsock: "AF_VSOCK"}[k])
}
