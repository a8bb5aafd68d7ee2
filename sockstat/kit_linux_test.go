package sockstat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A testNetns is a network namespace of a test's own, with its loopback interface up. It lives on
// a thread of its own.
type testNetns struct {
	t    testing.TB
	file *os.File
	jobs chan func()
}

// newNetns makes a namespace that goes away with the test, which is skipped where that is not allowed.
func newNetns(t testing.TB) *testNetns {
	t.Helper()
	ns := &testNetns{t: t, jobs: make(chan func())}
	failed, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			ns.file, err = os.Open("/proc/thread-self/ns/net")
		}
		if err == nil {
			err = loopbackUp()
		}
		failed <- err
		for job := range ns.jobs {
			job()
		}
	}()
	err := <-failed
	t.Cleanup(func() {
		close(ns.jobs)
		<-ended
		if ns.file != nil {
			ns.file.Close()
		}
	})
	if errors.Is(err, unix.EPERM) {
		t.Skip("it takes root (CAP_SYS_ADMIN) to make a network namespace")
	}
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// do runs a job inside the namespace.
func (ns *testNetns) do(job func() error) {
	ns.t.Helper()
	done := make(chan error)
	ns.jobs <- func() { done <- job() }
	if err := <-done; err != nil {
		ns.t.Fatal(err)
	}
}

// path names the namespace for a Query.
func (ns *testNetns) path() string { return fmt.Sprintf("/proc/self/fd/%d", ns.file.Fd()) }

// socket makes a socket in the namespace, closed with the test.
func (ns *testNetns) socket(domain, kind, protocol int) int {
	ns.t.Helper()
	var fd int
	ns.do(func() (err error) {
		fd, err = unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
		return err
	})
	ns.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (ns *testNetns) bound(domain, kind int, sa unix.Sockaddr) int {
	ns.t.Helper()
	fd := ns.socket(domain, kind, 0)
	must(ns.t, unix.Bind(fd, sa))
	return fd
}

func (ns *testNetns) listener(domain int, sa unix.Sockaddr, backlog int) int {
	ns.t.Helper()
	fd := ns.bound(domain, unix.SOCK_STREAM, sa)
	must(ns.t, unix.Listen(fd, backlog))
	return fd
}

// client connects to where fd is bound.
func (ns *testNetns) client(domain, fd int) int {
	ns.t.Helper()
	sa, err := unix.Getsockname(fd)
	must(ns.t, err)
	c := ns.socket(domain, unix.SOCK_STREAM, 0)
	must(ns.t, unix.Connect(c, sa))
	return c
}

// pair makes a connection to a listener.
func (ns *testNetns) pair(domain, listener int) (client, server int) {
	ns.t.Helper()
	client = ns.client(domain, listener)
	server, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	must(ns.t, err)
	ns.t.Cleanup(func() { unix.Close(server) })
	return client, server
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func port4(fd int) int {
	sa, _ := unix.Getsockname(fd)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return sa.Port
	case *unix.SockaddrInet6:
		return sa.Port
	}
	return 0
}

var loopback4 = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
var loopback6 = &unix.SockaddrInet6{Addr: [16]byte{15: 1}}

// inodeOf is the inode of a socket of this process.
func inodeOf(t *testing.T, fd int) uint32 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Fstat(fd, &st))
	return uint32(st.Ino)
}

// collect lists all that q asks for.
func collect(t *testing.T, q Query) ([]*Socket, []Note) {
	t.Helper()
	var notes []Note
	q.Note = func(n Note) { notes = append(notes, n) }
	var list []*Socket
	for s, err := range Sockets(t.Context(), q) {
		must(t, err)
		list = append(list, s.Clone())
	}
	return list, notes
}

// one finds the only socket with this inode and kind.
func one(t *testing.T, list []*Socket, k Kind, inode uint32) *Socket {
	t.Helper()
	var found *Socket
	for _, s := range list {
		if s.Kind == k && s.Inode == inode {
			if found != nil {
				t.Fatalf("inode %d is listed twice", inode)
			}
			found = s
		}
	}
	if found == nil {
		t.Fatalf("%s socket with inode %d is not listed", k, inode)
	}
	return found
}

// stillSet opens sockets of every kind that ss and /proc/net know, in states that do
// not change by themselves while the test runs.
func stillSet(t *testing.T, ns *testNetns) {
	t.Helper()
	// TCP: a listener with connections that nobody accepts, and backlog.
	l4 := ns.listener(unix.AF_INET, loopback4, 7)
	ns.client(unix.AF_INET, l4)
	ns.client(unix.AF_INET, l4)
	l6 := ns.listener(unix.AF_INET6, loopback6, 3)
	ns.pair(unix.AF_INET6, l6)
	// Both IP versions at once: the accepted end has an IPv4-mapped address.
	dual := ns.listener(unix.AF_INET6, &unix.SockaddrInet6{}, 3)
	mapped := ns.socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, unix.Connect(mapped, &unix.SockaddrInet4{Port: port4(dual), Addr: [4]byte{127, 0, 0, 1}}))
	server, _, err := unix.Accept4(dual, unix.SOCK_CLOEXEC)
	must(t, err)
	t.Cleanup(func() { unix.Close(server) })
	only := ns.socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	must(t, unix.SetsockoptInt(only, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
	must(t, unix.Bind(only, &unix.SockaddrInet6{}))
	must(t, unix.Listen(only, 1))
	// Data that is not read.
	l := ns.listener(unix.AF_INET, loopback4, 5)
	c, s := ns.pair(unix.AF_INET, l)
	_, err = unix.Write(c, make([]byte, 1000))
	must(t, err)
	_, err = unix.Write(s, make([]byte, 77))
	must(t, err)
	acknowledged(t, c, s)
	// Half closed: FIN-WAIT-2 here, CLOSE-WAIT there.
	c, _ = ns.pair(unix.AF_INET, l)
	must(t, unix.Shutdown(c, unix.SHUT_WR))
	acknowledged(t, c)

	// UDP: bound, connected, everywhere, with a datagram inside.
	u := ns.bound(unix.AF_INET, unix.SOCK_DGRAM, loopback4)
	ns.bound(unix.AF_INET6, unix.SOCK_DGRAM, loopback6)
	ns.bound(unix.AF_INET, unix.SOCK_DGRAM, &unix.SockaddrInet4{})
	ns.bound(unix.AF_INET6, unix.SOCK_DGRAM, &unix.SockaddrInet6{})
	uc := ns.socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(t, unix.Connect(uc, &unix.SockaddrInet4{Port: port4(u), Addr: [4]byte{127, 0, 0, 1}}))
	_, err = unix.Write(uc, []byte("hello"))
	must(t, err)

	// Unix: paths and abstract names of all types, pairs, data inside.
	dir := t.TempDir()
	xl := ns.listener(unix.AF_UNIX, &unix.SockaddrUnix{Name: dir + "/stream"}, 9)
	xc, _ := ns.pair(unix.AF_UNIX, xl)
	_, err = unix.Write(xc, make([]byte, 300))
	must(t, err)
	ns.client(unix.AF_UNIX, xl)
	ns.bound(unix.AF_UNIX, unix.SOCK_DGRAM, &unix.SockaddrUnix{Name: dir + "/dgram"})
	ns.bound(unix.AF_UNIX, unix.SOCK_SEQPACKET, &unix.SockaddrUnix{Name: "@sockstat-test"})
	ns.socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
}

// acknowledged waits until all that was sent, the end included, is acknowledged:
// the receiver may hold that back for a while.
func acknowledged(t *testing.T, fds ...int) {
	t.Helper()
	for _, fd := range fds {
		for {
			info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			must(t, err)
			if info.Unacked == 0 && State(info.State) != FinWait1 {
				break
			}
			must(t, t.Context().Err())
			time.Sleep(time.Millisecond)
		}
	}
}

// orphans adds a time-wait socket and one whose program has closed it while
// its data is stuck.
func orphans(t *testing.T, ns *testNetns) (timeWaitPort, orphanPort int) {
	t.Helper()
	l := ns.listener(unix.AF_INET, loopback4, 5)
	c, s := ns.pair(unix.AF_INET, l)
	timeWaitPort = port4(c)
	must(t, unix.Shutdown(c, unix.SHUT_WR))
	must(t, unix.Shutdown(s, unix.SHUT_WR))

	c, _ = ns.pair(unix.AF_INET, l)
	orphanPort = port4(c)
	must(t, unix.SetNonblock(c, true))
	for chunk := make([]byte, 1<<20); ; {
		if _, err := unix.Write(c, chunk); err != nil {
			break
		}
	}
	// Close it under the number that the cleanup closes too.
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Dup3(null, c, unix.O_CLOEXEC))
	must(t, unix.Close(null))
	return timeWaitPort, orphanPort
}

// child starts this test binary for one of the childJobs and waits for its first line. It
// ends with the test, when its standard input does.
func child(t testing.TB, job string, env ...string) (cmd *exec.Cmd, first string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), exe)
	cmd.Env = append(append(os.Environ(), childEnv+"="+job), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	lines := bufio.NewReaderSize(out, 1<<20)
	first, err = lines.ReadString('\n')
	if err != nil {
		t.Fatalf("child %s: %v", job, err)
	}
	return cmd, strings.TrimSuffix(first, "\n")
}

// ready tells the parent, and waits for its end of the pipe to close.
func ready(line string) error {
	if _, err := fmt.Println(line); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// refuseNetlink makes netlink fail as where it is not allowed.
func refuseNetlink(t *testing.T) {
	t.Helper()
	dial = func(context.Context, *os.File) (*diag, error) { return nil, os.NewSyscallError("socket", unix.EPERM) }
	t.Cleanup(func() { dial = dialDiag })
}
