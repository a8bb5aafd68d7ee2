// Package examples tests the programs in its folders, as programs.
package examples

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	status := m.Run()
	os.RemoveAll(programs.folder)
	os.Exit(status)
}

// programs are all of this folder, built once one of them is needed.
var programs struct {
	sync.Once
	folder string
	err    error
}

// build returns the path of a program.
func build(t *testing.T, name string) string {
	t.Helper()
	programs.Do(func() {
		if programs.folder, programs.err = os.MkdirTemp("", "examples"); programs.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-o", programs.folder, "./...").CombinedOutput(); err != nil {
			programs.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return filepath.Join(programs.folder, name)
}

func TestEcho(t *testing.T) {
	client := build(t, "echo-client")
	server := exec.CommandContext(t.Context(), build(t, "echo-server"), "0")
	var printed bytes.Buffer
	server.Stdout = &printed
	stderr, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(stderr)
	line, err := said.ReadString('\n')
	name, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "Listening on 127.0.0.1:")
	if !ok {
		t.Fatalf("the server says %q, %v", line, err)
	}

	out, err := exec.CommandContext(t.Context(), client, name).CombinedOutput()
	if want := "Received: b'Hello world! This is an echo server made with python'\n"; err != nil || string(out) != want {
		t.Errorf("the client prints %q, %v; want %q", out, err, want)
	}
	rest, _ := said.ReadString(0)
	if err := server.Wait(); err != nil || rest != "" {
		t.Errorf("the server ends with %v and says %q, want nothing", err, rest)
	}
	if want := regexp.MustCompile(`^Connected by : \('127\.0\.0\.1', [1-9][0-9]*\)\n$`); !want.Match(printed.Bytes()) {
		t.Errorf("the server prints %q, want a match of %v", &printed, want)
	}

	out, err = exec.CommandContext(t.Context(), client, name).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "connection refused") {
		t.Errorf("without a server the client prints %q, %v; want connection refused", out, err)
	}
}

// A stripped echo server over package socket is small.
func TestWeight(t *testing.T) {
	const most = 3_100_000 // bytes, on amd64
	path := filepath.Join(t.TempDir(), "echo-server")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./echo-server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOARCH == "amd64" && runtime.GOOS == "linux" && info.Size() > most {
		t.Errorf("it has %d bytes, want at most %d", info.Size(), most)
	}
}

func TestUsage(t *testing.T) {
	for program, arg := range map[string]string{"echo-server": "65536", "echo-client": "0"} {
		out, err := exec.CommandContext(t.Context(), build(t, program), arg).CombinedOutput()
		if want := fmt.Sprintf("%s: %q is no port", program, arg); err == nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s %s prints %q, %v; want %q", program, arg, out, err, want)
		}
	}
}
