package process_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zocalo/process"
	"zocalo/socket"
)

func TestMain(m *testing.M) {
	process.Shim()
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, scheme, command string) (*socket.Socket, error) {
	t.Helper()
	s, ok := socket.LookupScheme(scheme)
	if !ok {
		t.Fatal("scheme", scheme, "is not registered")
	}
	return s.Open(t.Context(), socket.Target{Endpoint: command})
}

func TestExec(t *testing.T) {
	for scheme, command := range map[string]string{
		"exec":   `cat`,
		"system": `read x; echo "$x"; test -S /dev/stdin && exec 0<&- 1<&-`,
	} {
		s, err := open(t, scheme, command)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("hola\n")); err != nil {
			t.Fatal(err)
		}
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(s); string(got) != "hola\n" || err != nil {
			t.Errorf("%s: %q, %v", command, got, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A program's descriptors are sockets, and block.
func TestDescriptors(t *testing.T) {
	s, err := open(t, "exec", `sh -c 'readlink /proc/self/fd/0 /proc/self/fd/1; grep flags /proc/self/fdinfo/0'`)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 3 || !strings.HasPrefix(lines[0], "socket:") || lines[0] != lines[1] {
		t.Fatalf("descriptors 0 and 1 are not one socket:\n%s", text)
	}
	if lines[2] != "flags:\t02" { // O_RDWR without O_NONBLOCK (04000)
		t.Errorf("%q, want O_RDWR alone", lines[2])
	}
}

// A program that ignores the loss of its socket, and SIGTERM, is ended with
// what it started.
func TestClose(t *testing.T) {
	s, err := open(t, "shell", `trap "" TERM; echo $$; sleep 60 & wait; sleep 60`)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	n, err := s.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(b[:n]))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for ; alive(t, pid); time.Sleep(time.Millisecond) {
		if t.Context().Err() != nil {
			t.Fatalf("the process group %s is still there", pid)
		}
	}
}

// alive reports whether a process of the group runs, rather than waits as a
// zombie for its parent, which is not ours.
func alive(t *testing.T, group string) bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, _ := os.ReadFile(path) // it may have ended meanwhile
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[2] == group && f[0] != "Z" && f[0] != "X" {
			return true
		}
	}
	return false
}

func TestStartErrors(t *testing.T) {
	for command, want := range map[string]string{
		"no-such-program": `start "no-such-program": exec: "no-such-program": executable file not found in $PATH: give its path, or put it in PATH`,
		"/etc/passwd":     "it must be executable",
		"":                "no command was given",
		"a 'b":            "a single quote is not closed",
	} {
		if s, err := open(t, "exec", command); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", command, s, err, want)
		}
	}
}

func TestProcess(t *testing.T) {
	p, err := process.Start(process.Command{Args: []string{"sh", "-c", "exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	var exit *process.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("Wait = %v, want exit status 3", err)
	}
	<-p.Exited()
	if err := p.Signal(syscall.SIGTERM); err == nil {
		t.Error("a reaped process took a signal")
	}
	if err := p.End(time.Minute); !errors.As(err, &exit) {
		t.Errorf("End = %v", err)
	}
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                          nil,
		"  a  b\tc\n":               {"a", "b", "c"},
		`sh -c 'echo "a b"'`:        {"sh", "-c", `echo "a b"`},
		`a\ b "c \" \\ \n" d''e ''`: {"a b", `c " \ \n`, "de", ""},
	} {
		if got, err := process.Words(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("Words(%q) = %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`'`, `"`, `\`, `a "b\`} {
		if got, err := process.Words(line); err == nil {
			t.Errorf("Words(%q) = %q, want an error", line, got)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add(`sh -c 'echo "a b"' \x`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := process.Words(line)
		if err == nil && len(strings.Join(words, "")) > len(line) {
			t.Errorf("%q became %q", line, words)
		}
	})
}
