package sockstat

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestKernelFilter compares what the kernel filters with what the filter itself says.
func TestKernelFilter(t *testing.T) {
	ns := newNetns(t)
	stillSet(t, ns)
	orphans(t, ns)
	all, _ := collect(t, Query{Netns: ns.path()})
	var ports []string
	for _, s := range all {
		if p := s.Local.Addr.Port(); p != 0 {
			ports = append(ports, strconv.Itoa(int(p)))
		}
	}
	several := strings.Join(ports[:min(len(ports), 4)], ",")
	tests := []string{
		"port=" + ports[0], "port!=" + ports[0], "lport=" + several, "rport!=" + several, "port=" + several, "port!=" + several,
		"lport=..40000", "rport=40000..", "lport!=40000..50000", "rport!=..40000", "rport=..40000", "port=70000..", "port!=70000..",
		"local=127.0.0.0/8", "local!=127.0.0.0/8", "peer=127.0.0.1", "peer!=127.0.0.1", "peer=loopback", "peer!=loopback",
		"local=::1", "local!=::1", "local=::/0", "local!=::/0", "local=any", "local!=any", "addr=any", "peer=0.0.0.0/0", "peer!=0.0.0.0/1",
		"local=127.0.0.1:" + ports[0], "addr!=127.0.0.1:" + ports[0], "addr=[::1]:" + ports[0], "local=127.0.0.1,::1,/%", "local=/%", "local!=/%",
		"state=listen", "state!=listen", "state=connected", "kind=tcp", "kind!=tcp",
		"port=1..30000,40000..65535 local=127.0.0.0/8 rport!=" + ports[1],
		"lport=" + strings.Join(ports, ",") + " port!=" + several + " local=loopback peer=127.0.0.1," + "::1",
		"port=" + strings.TrimSuffix(strings.Repeat("1,2,3,4,5,6,7,8,9,", 500), ","), // more than fits a program
	}
	for _, words := range tests {
		t.Run(words[:min(len(words), 60)], func(t *testing.T) {
			f, err := ParseFilter(strings.Fields(words))
			must(t, err)
			var want []*Socket
			for _, s := range all {
				if f.Match(s) {
					want = append(want, s)
				}
			}
			// The kernel's part must have done its work: what it sends is what is wanted.
			sent := 0
			count := f
			count.terms = append(slices.Clone(f.terms), term{kinds: ^uint32(0), states: ^uint32(0),
				alts: []alternative{{match: func(*Socket) bool { sent++; return true }}}})
			got, _ := collect(t, Query{Netns: ns.path(), Filter: count})
			if d := cmp.Diff(namesOf(want), namesOf(got)); d != "" {
				t.Errorf("by hand (-) and filtered (+):\n%s", d)
			}
			if sent != len(got) {
				t.Errorf("%d sockets reached the end of the filter, %d came out", sent, len(got))
			}
		})
	}
	for words, most := range map[string]int{"lport=" + ports[0]: 1, "local=/%": 0} {
		f, err := ParseFilter([]string{words})
		must(t, err)
		program, none := f.compile()
		if none != (most == 0) || !none && program == nil {
			t.Errorf("%s is not compiled", words)
		}
	}
}

// namesOf names sockets in a way that stays the same from one listing to the next.
func namesOf(list []*Socket) []string {
	var names []string
	for _, s := range list {
		names = append(names, fmt.Sprintf("%s %s %x %d %v %v", s.Kind, s.State, s.Cookie, s.Inode, s.Local, s.Peer.Addr))
	}
	slices.Sort(names)
	return names
}

// TestKernelSendsLess checks that the kernel itself leaves out what a filter does not want.
func TestKernelSendsLess(t *testing.T) {
	ns := newNetns(t)
	stillSet(t, ns)
	d, err := dialDiag(t.Context(), ns.file)
	must(t, err)
	defer d.close()
	count := func(words ...string) (n int) {
		f, err := ParseFilter(words)
		must(t, err)
		program, _ := f.compile()
		_, err = d.dump(t.Context(), inetRequest(TCP, unix.AF_INET, ^uint32(0), 0, program), func([]byte) error { n++; return nil })
		must(t, err)
		return n
	}
	all, some, none := count(), count("rport=1.."), count("port=1..2")
	if none != 0 || some == 0 || some >= all {
		t.Errorf("the kernel sends %d of %d for rport=1.., %d for port=1..2", some, all, none)
	}
	if in, out := count("rport=1.."), count("rport!=1.."); in+out != all {
		t.Errorf("%d with, %d without, %d in all", in, out, all)
	}
}
