package sockstat

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestFoldSubflows lists an MPTCP connection and its listener once each, and
// the TCP sockets that carry them only where the MPTCP sockets are not listed.
func TestFoldSubflows(t *testing.T) {
	ns := newNetns(t)
	var l int
	ns.do(func() error {
		l, _ = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP) // -1 where there is none
		return nil
	})
	if l < 0 {
		t.Skip("needs a kernel with MPTCP")
	}
	t.Cleanup(func() { unix.Close(l) })
	must(t, unix.Bind(l, loopback4))
	must(t, unix.Listen(l, 1))
	plain := ns.listener(unix.AF_INET, loopback4, 1)
	mptcp, tcp := inodeOf(t, l), inodeOf(t, plain)

	q := Query{Netns: ns.path(), Kinds: []Kind{TCP, MPTCP}}
	list, _ := collect(t, q)
	counts := func() (n map[Kind]map[uint32]int) {
		n = map[Kind]map[uint32]int{TCP: {}, MPTCP: {}}
		for _, s := range list {
			n[s.Kind][s.Inode]++
		}
		return n
	}
	n := counts()
	if n[MPTCP][mptcp] == 0 {
		t.Skip("needs a kernel that lists MPTCP listeners")
	}
	if n[TCP][mptcp] != 1 || n[TCP][tcp] != 1 {
		t.Errorf("without folding: %v", n)
	}

	q.FoldSubflows = true
	list, _ = collect(t, q)
	if n = counts(); n[MPTCP][mptcp] != 1 || n[TCP][mptcp] != 0 || n[TCP][tcp] != 1 {
		t.Errorf("folded: %v", n)
	}

	q.Want = func(s *Socket) bool { return s.Kind == TCP }
	list, _ = collect(t, q)
	if n = counts(); n[MPTCP][mptcp] != 0 || n[TCP][mptcp] != 1 || n[TCP][tcp] != 1 {
		t.Errorf("folded, MPTCP sockets not wanted: %v", n)
	}
}
