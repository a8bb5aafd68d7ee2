package sockstat

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// All namespaces are listed at once, those of threads too, and each socket has a name of
// its own that finds it again.
func TestAllNetns(t *testing.T) {
	a, b := newNetns(t), newNetns(t)
	la, lb := a.listener(unix.AF_INET, loopback4, 5), b.listener(unix.AF_INET, loopback4, 5)
	list, _ := collect(t, Query{Kinds: []Kind{TCP}, AllNetns: true})
	sa, sb := one(t, list, TCP, inodeOf(t, la)), one(t, list, TCP, inodeOf(t, lb))
	if sa.Netns == sb.Netns {
		t.Errorf("both are in namespace %q", sa.Netns)
	}
	for _, s := range []*Socket{sa, sb} {
		f, err := ParseFilter([]string{"netns=" + s.Netns})
		must(t, err)
		list, _ := collect(t, Query{Kinds: []Kind{TCP}, Netns: s.Netns, Filter: f})
		if len(list) != 1 || list[0].Inode != s.Inode {
			t.Errorf("namespace %s has %d sockets", s.Netns, len(list))
		}
	}
	for _, err := range Sockets(t.Context(), Query{AllNetns: true, Netns: "1"}) {
		if err == nil {
			t.Error("one namespace and all of them went together")
		}
		break
	}
}

// What may not be entered is missing, and said to be; the own namespace is listed.
func TestAllNetnsRefused(t *testing.T) {
	if inode, err := strconv.ParseUint(os.Getenv("ZOCALO_TEST_OWN"), 10, 32); err == nil {
		list, notes := collect(t, Query{Kinds: []Kind{TCP}, AllNetns: true})
		one(t, list, TCP, uint32(inode))
		if !slices.ContainsFunc(notes, func(n Note) bool {
			return n.Reason == HiddenNetns && strings.Contains(n.Text, "may not enter")
		}) {
			t.Errorf("nobody says that a namespace is missing: %v", notes)
		}
		return
	}
	other := newNetns(t)
	other.listener(unix.AF_INET, loopback4, 5)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	must(t, err)
	defer f.Close()
	cmd := exec.Command("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("ZOCALO_TEST_OWN=%d", inodeOf(t, int(f.Fd()))))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// A name is better than a process, and a file that is no namespace is none.
func TestNamedNetns(t *testing.T) {
	ns := newNetns(t)
	names := t.TempDir()
	for _, name := range []string{"web", "left"} {
		must(t, os.WriteFile(filepath.Join(names, name), nil, 0o600))
	}
	var st unix.Stat_t
	must(t, unix.Fstat(int(ns.file.Fd()), &st))
	type found struct {
		list []netns
		err  error
	}
	result := make(chan found)
	go func() {
		runtime.LockOSThread() // for good: the mount goes with the thread
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.Mount(ns.path(), filepath.Join(names, "web"), "", unix.MS_BIND, "")
		}
		var list []netns
		if err == nil {
			list, _, err = findNetns(t.Context(), names, "/proc")
		}
		result <- found{list, err}
	}()
	got := <-result
	must(t, got.err)
	if len(got.list) == 0 || got.list[0].name != "web" || got.list[0].id != (netnsID{st.Dev, st.Ino}) {
		t.Errorf("found %+v", got.list)
	}
	if slices.ContainsFunc(got.list[1:], func(n netns) bool { return n.id == got.list[0].id || n.name == "left" }) {
		t.Errorf("a namespace is there twice, or one that is none: %+v", got.list)
	}
}
