package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zocalo/internal/testenv"
)

// isolate moves the test, and the programs that it starts, into a network
// namespace of its own, where every port is free. The thread ends with the
// test, and the namespace with it.
func isolate(t *testing.T) {
	t.Helper()
	testenv.Root(t)
	runtime.LockOSThread() // for good
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("needs the right to make a network namespace: %v", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		t.Fatal(err)
	}
}

// output runs a program in the test's namespace.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// startEcho starts an echo server in the test's namespace and waits until it listens. stop
// ends it.
func startEcho(t *testing.T, args ...string) (pid int, stop func()) {
	t.Helper()
	cmd := exec.Command("zocalo", append([]string{"echo", "--json"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, `"listening"`) {
		t.Fatalf("the server said %q: %v", line, err)
	}
	ended := false
	stop = func() {
		if !ended {
			ended = true
			cmd.Process.Signal(unix.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("the server: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	return cmd.Process.Pid, stop
}

// TestLectureNetstat is item 25 of the lecture: netstat -an shows the open socket
// at 127.0.0.1:5346; once the server ends it is gone. So do ss, and list.
func TestLectureNetstat(t *testing.T) {
	testenv.Program(t, "ss")
	testenv.Program(t, "netstat")
	isolate(t)
	programs := []struct {
		argv []string
		line *regexp.Regexp
	}{
		{[]string{"netstat", "-an"}, regexp.MustCompile(`(?m)^tcp .* 127\.0\.0\.1:5346 .*LISTEN`)},
		{[]string{"ss", "-an"}, regexp.MustCompile(`(?m)^tcp +LISTEN .* 127\.0\.0\.1:5346 `)},
		{[]string{"zocalo", "list"}, regexp.MustCompile(`(?m)^tcp +listen .* 127\.0\.0\.1:5346 +zocalo +\d+ `)},
		{[]string{"zocalo", "list", "--all"}, regexp.MustCompile(`(?m)^tcp +listen .* 127\.0\.0\.1:5346 `)},
	}
	_, stop := startEcho(t)
	for _, p := range programs {
		if out := output(t, p.argv[0], p.argv[1:]...); len(p.line.FindAllString(out, -1)) != 1 {
			t.Errorf("%q does not show the server once:\n%s", p.argv, out)
		}
	}
	stop()
	for _, p := range programs {
		if out := output(t, p.argv[0], p.argv[1:]...); strings.Contains(out, ":5346") {
			t.Errorf("%q still shows the server:\n%s", p.argv, out)
		}
	}
}

// TestListNetns lists another namespace than one's own.
func TestListNetns(t *testing.T) {
	isolate(t)
	pid, _ := startEcho(t)
	here := output(t, "zocalo", "list", "tcp", "port=5346", "--columns", "kind,pid,local", "--no-header")
	there := make(chan string)
	go func() { // on a thread outside of the namespace
		out, err := exec.CommandContext(t.Context(), "zocalo", "list", "tcp", "port=5346",
			"--columns", "kind,pid,local", "--no-header", "--netns", strconv.Itoa(pid)).CombinedOutput()
		there <- fmt.Sprint(string(out), err)
	}()
	want := fmt.Sprintf("tcp  %d  127.0.0.1:5346\n", pid)
	if here != want {
		t.Errorf("inside: %q; want %q", here, want)
	}
	if got := <-there; got != want+"<nil>" {
		t.Errorf("from outside: %q; want %q", got, want)
	}
}

// TestListSubflows lists an MPTCP listener once, and as TCP where only that is asked for.
func TestListSubflows(t *testing.T) {
	isolate(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		t.Skipf("needs a kernel with MPTCP: %v", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: 5346, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	list := func(words ...string) string {
		return output(t, "zocalo", append([]string{"list", "port=5346", "--no-header", "--columns", "kind"}, words...)...)
	}
	if out := list("mptcp"); out != "tcp/mp\n" {
		t.Skipf("needs a kernel that lists MPTCP sockets: it lists %q", out)
	}
	if out := list(); out != "tcp/mp\n" {
		t.Errorf("all kinds: %q; want the MPTCP socket alone", out)
	}
	if out := list("tcp"); out != "tcp\n" {
		t.Errorf("tcp: %q; want the TCP socket", out)
	}
}

// TestListAllNetns lists all namespaces from outside, each socket with its own.
func TestListAllNetns(t *testing.T) {
	isolate(t)
	pid, _ := startEcho(t)
	there := make(chan string)
	go func() { // on a thread outside of the namespace
		out, err := exec.CommandContext(t.Context(), "zocalo", "list", "tcp", fmt.Sprintf("pid=%d", pid), "--netns", "all", "--no-header").CombinedOutput()
		there <- fmt.Sprint(string(out), err)
	}()
	out := <-there
	fields := strings.Fields(out)
	if len(fields) < 6 || fields[1] != "tcp" || fields[5] != "127.0.0.1:5346" {
		t.Fatalf("all: %q", out)
	}
	if again := output(t, "zocalo", "list", "tcp", "--netns", fields[0], "--columns", "pid,netns", "--no-header"); again != fmt.Sprintf("%d  %s\n", pid, fields[0]) {
		t.Errorf("by its name: %q", again)
	}
}
