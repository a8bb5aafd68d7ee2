package sockstat

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A TCP socket with a name that does not listen is found by either word.
func TestBoundSockets(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, err := unix.Getsockname(fd)
	must(t, err)
	port := fmt.Sprintf("lport=%d", name.(*unix.SockaddrInet4).Port)
	all, err := ParseFilter([]string{port})
	must(t, err)
	if list, _ := collect(t, Query{Kinds: []Kind{TCP}, Filter: all}); len(list) == 0 {
		t.Skip("this kernel does not list bound sockets: Linux 6.8 does")
	}
	for _, state := range []string{"bound", "unconnected"} {
		f, err := ParseFilter([]string{port, "state=" + state})
		must(t, err)
		if list, _ := collect(t, Query{Kinds: []Kind{TCP}, Filter: f}); len(list) != 1 || list[0].State != Bound {
			t.Errorf("state=%s finds %d sockets", state, len(list))
		}
	}
}

// What a thread holds in a descriptor table of its own is its process's, and what
// no table has is counted.
func TestThreadsAndUnlisted(t *testing.T) {
	ready, done := make(chan error), make(chan struct{})
	defer close(done)
	var port int
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_FILES); err != nil {
			ready <- err
			return
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
		}
		if err == nil {
			err = unix.Listen(fd, 1)
		}
		if err == nil {
			var name unix.Sockaddr
			name, err = unix.Getsockname(fd)
			port = name.(*unix.SockaddrInet4).Port
		}
		if err == nil { // nobody's table has it
			_, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		}
		ready <- err
		<-done
	}()
	must(t, <-ready)
	f, err := ParseFilter([]string{fmt.Sprintf("pid=%d", os.Getpid())})
	must(t, err)
	found, note := false, ""
	q := Query{Filter: f, Details: Processes, Note: func(n Note) {
		if n.Reason == Unlisted {
			note = n.Text
		}
	}}
	for s, err := range Sockets(t.Context(), q) {
		must(t, err)
		found = found || s.Kind == TCP && int(s.Local.Addr.Port()) == port
	}
	if !found {
		t.Error("the thread's socket has no process")
	}
	if !strings.Contains(note, "in no table") {
		t.Errorf("the note is %q", note)
	}
}

// The whole command line and the path of a process are those that it has.
func TestCommands(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	exe, err := os.Readlink("/proc/self/exe")
	must(t, err)
	f, err := ParseFilter([]string{fmt.Sprintf("pid=%d", os.Getpid())})
	must(t, err)
	list, _ := collect(t, Query{Kinds: []Kind{Unix}, Filter: f, Details: Commands | Processes})
	h := one(t, list, Unix, inodeOf(t, fd)).Holders[0]
	if h.Path != exe || strings.Join(h.Args, "\x00") != strings.Join(os.Args, "\x00") {
		t.Errorf("path %q, command %q; want %q and %q", h.Path, h.Args, exe, os.Args)
	}
	list, _ = collect(t, Query{Kinds: []Kind{Unix}, Filter: f})
	if h := one(t, list, Unix, inodeOf(t, fd)).Holders[0]; h.Path != "" || h.Args != nil {
		t.Errorf("nobody asked for %+v", h)
	}
}
