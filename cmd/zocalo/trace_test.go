package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zocalo/internal/testenv"
)

// TestLectureTrace compares what --trace prints of the lecture's echo pair
// with what strace sees: the same logical calls on the same socket, in the
// same order.
func TestLectureTrace(t *testing.T) {
	strace := testenv.Program(t, "strace")
	if err := exec.Command(strace, "-o", os.DevNull, "true").Run(); err != nil {
		t.Skipf("strace may not trace here: %v", err)
	}
	zocalo, err := exec.LookPath("zocalo") // this test binary, by testscript.Main
	if err != nil {
		zocalo = build(t)
	}
	dir := t.TempDir()
	traced := func(name string, args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), strace, append([]string{"-f", "-e", "trace=network,read,write,close", "-o",
			filepath.Join(dir, name), zocalo}, args...)...)
	}

	server := traced("server", "echo", "--once", "--trace", "--json", "tcp:127.0.0.1:0")
	var serverTrace bytes.Buffer
	server.Stderr = &serverTrace
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err, serverTrace.String())
	}
	address := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(line)[1]

	client := traced("client", "talk", "--trace", address)
	client.Stdin = strings.NewReader("hola\n")
	var clientTrace bytes.Buffer
	client.Stderr = &clientTrace
	if got, err := client.Output(); err != nil || string(got) != "hola\n" {
		t.Fatalf("%q, %v\n%s", got, err, clientTrace.String())
	}
	if err := server.Wait(); err != nil {
		t.Fatal(err, serverTrace.String())
	}
	compareCalls(t, "server", serverTrace.String(), filepath.Join(dir, "server"))
	compareCalls(t, "client", clientTrace.String(), filepath.Join(dir, "client"))
}

// build makes the command.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "zocalo")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// compareCalls compares both logs call by call.
func compareCalls(t *testing.T, who, trace, straceFile string) {
	t.Helper()
	text, err := os.ReadFile(straceFile)
	if err != nil {
		t.Fatal(err)
	}
	ours, sockets := tracedCalls(trace)
	theirs := straceCalls(string(text), sockets)
	// Calls on different sockets, and the two directions of one, may be made by
	// different goroutines, whose lines come in either order.
	slices.SortStableFunc(ours, byGoroutine)
	slices.SortStableFunc(theirs, byGoroutine)
	if !slices.Equal(ours, theirs) {
		t.Errorf("%s: --trace printed\n  %s\nand strace saw\n  %s", who, strings.Join(ours, "\n  "), strings.Join(theirs, "\n  "))
	}
	if len(ours) < 5 {
		t.Errorf("%s: only %d calls:\n%s", who, len(ours), trace)
	}
}

// byGoroutine orders calls by their descriptor, and its reads after all else.
func byGoroutine(a, b string) int {
	return cmp.Or(strings.Compare(descriptorOf(a), descriptorOf(b)),
		strings.Compare(strconv.FormatBool(strings.HasPrefix(a, "read(")), strconv.FormatBool(strings.HasPrefix(b, "read("))))
}

func descriptorOf(call string) string {
	_, rest, _ := strings.Cut(call, "(")
	fd, _, _ := strings.Cut(rest, ")")
	return fd
}

var tracedCall = regexp.MustCompile(`(?m)^(\w+)\((\d*).*\) = (-?\d+)`)

// tracedCalls returns the calls of --trace as "name(fd) = result", and the
// descriptors that were sockets. A call that was interrupted has no
// counterpart.
func tracedCalls(trace string) (calls []string, sockets map[string]bool) {
	sockets = map[string]bool{}
	for _, m := range tracedCall.FindAllStringSubmatch(trace, -1) {
		name, fd, result := m[1], m[2], m[3]
		switch name {
		case "socket":
			fd = ""
			sockets[result] = true
		case "accept":
			sockets[result] = true
		}
		if result != "-1" && (name == "socket" || sockets[fd]) {
			calls = append(calls, fmt.Sprintf("%s(%s) = %s", name, fd, result))
		}
	}
	return calls, sockets
}

var straceCall = regexp.MustCompile(`^\d+ +(\w+)\((\d*)(.*)\) += (-?\d+)(?: (E\w+))?`)

// straceCalls returns strace's calls on the sockets in the same form. The
// attempts that would have had to wait, the questions for names and the peeks
// at what is urgent are no logical calls.
func straceCalls(text string, sockets map[string]bool) (calls []string) {
	names := map[string]string{"accept4": "accept", "recvfrom": "read", "recvmsg": "read", "sendto": "write", "sendmsg": "write"}
	unfinished := map[string]string{}
	open := map[string]bool{} // a number may have been another descriptor's before
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		pid, rest, _ := strings.Cut(line, " ")
		if begun, ok := strings.CutSuffix(line, " <unfinished ...>"); ok {
			unfinished[pid] = begun
			continue
		}
		if _, end, ok := strings.Cut(rest, " resumed>"); ok {
			line = unfinished[pid] + end
		}
		m := straceCall.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name, fd, args, result, errno := m[1], m[2], m[3], m[4], m[5]
		if short, ok := names[name]; ok {
			name = short
		}
		switch {
		case name == "socket":
			fd = ""
			if !sockets[result] {
				continue
			}
			open[result] = true
		case !open[fd], strings.HasPrefix(name, "getsock"), name == "getpeername", strings.Contains(args, "MSG_PEEK"),
			errno == "EAGAIN", errno == "EINPROGRESS", errno == "EALREADY":
			continue
		case name == "accept":
			open[result] = true
		case name == "close":
			open[fd] = false
		}
		calls = append(calls, fmt.Sprintf("%s(%s) = %s", name, fd, result))
	}
	return calls
}
