package process_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/process"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

func init() { process.Register() }

func TestMain(m *testing.M) {
	process.Shim()
	testenv.Main(m)
}

func open(t *testing.T, word, command string) (*socket.Socket, error) {
	t.Helper()
	s, ok := scheme.Lookup(word)
	if !ok {
		t.Fatal("scheme", word, "is not registered")
	}
	return s.Open(t.Context(), scheme.Target{Endpoint: command})
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

// A reset ends a program that neither reads nor writes, and the socket of a
// program is not to be had without it.
func TestAbort(t *testing.T) {
	s, err := open(t, "shell", `echo $$; exec sleep 1000`)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	n, err := s.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if fd, err := s.Detach(); err == nil {
		t.Errorf("Detach gave descriptor %d of a program that runs on", fd)
	}
	if err := s.Abort(); err != nil {
		t.Error(err)
	}
	if pid := strings.TrimSpace(string(b[:n])); alive(t, pid) {
		t.Errorf("program %s runs on", pid)
	}
}

// The pipes of a program can be opened by name, and end as a socket pair does.
func TestPipes(t *testing.T) {
	for command, want := range map[string]string{
		"cat /dev/stdin >/dev/stdout":   "hola\n",
		"tee /dev/stdout":               "hola\nhola\n",
		"cat >/dev/null; echo too >&1":  "too\n",
		"exec >&-; cat >&2 2>/dev/null": "",
		"exit 0":                        "",
	} {
		s, err := open(t, "shell", command)
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte("hola\n")) // which the last does not read
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(s); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", command, got, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	// A program whose output goes elsewhere is not over.
	s, err := open(t, "shell", "exec >&-; read x")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it reads as ended: %v", err)
	}
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the end of both is %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOutcome(t *testing.T) {
	for command, want := range map[string]int{
		"exit 0": 0, "exit 3": 3, "kill -9 $$": 137, "kill -TERM $$": 143,
		"exec sleep 1000": 0, "trap '' TERM; sleep 1000; exit 3": 0, // they are ended
	} {
		s, err := open(t, "shell", command)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(command, "sleep") {
			err = s.Abort()
		} else {
			io.Copy(io.Discard, s)
			err = s.Close()
		}
		if err != nil {
			t.Error(err)
		}
		got := 0
		var exit *process.ExitError
		if err := process.Outcome(s, syscall.EPIPE); errors.As(err, &exit) {
			got = exit.ShellStatus()
		}
		if got != want {
			t.Errorf("%s: status %d, want %d", command, got, want)
		}
		if err := process.Outcome(s, io.ErrUnexpectedEOF); err != io.ErrUnexpectedEOF {
			t.Errorf("%s: another error became %v", command, err)
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
		"no-such-program": `there is no program "no-such-program" in PATH: give its path, or install it`,
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
	if err := p.Wait(); !errors.As(err, &exit) || exit.ShellStatus() != 3 {
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

// A program's group is gone when what it started is.
func TestGone(t *testing.T) {
	p, err := process.Start(process.Command{Args: process.Shell("sleep 1000 & exit 0")})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	select {
	case <-p.Gone():
		t.Error("gone, and a child runs")
	default:
	}
	if err := p.Terminate(time.Minute); err != nil {
		t.Error(err)
	}
	if alive(t, strconv.Itoa(p.PID())) {
		t.Error("the child runs on")
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal = %v", err)
	}
}

// TestDeath is two tests: the outer one kills the inner, whose program must
// not outlive it.
func TestDeath(t *testing.T) {
	const inner = "ZOCALO_TEST_DEATH"
	if os.Getenv(inner) != "" {
		mask := fs.FileMode(0o22)
		for _, mask := range []*fs.FileMode{nil, &mask} { // without the shim, and with it
			p, err := process.Start(process.Command{Args: []string{"sleep", "1000"}, Umask: mask, User: self(mask != nil)})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(p.PID())
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a program with its parent")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDeath$")
	cmd.Env = append(os.Environ(), inner+"=1")
	out, _ := cmd.Output()
	pids := strings.Fields(string(out))
	if len(pids) != 2 {
		t.Fatalf("%q", out)
	}
	for _, pid := range pids {
		for alive(t, pid) {
			if t.Context().Err() != nil {
				t.Fatalf("program %s runs on", pid)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// self is another user where that can be, to see that it makes no difference.
func self(other bool) *process.User {
	if !other || os.Geteuid() != 0 {
		return nil
	}
	return &process.User{UID: 65534, GID: 65534}
}

// What fails in the shim is reported by Start.
func TestShimErrors(t *testing.T) {
	limit, err := process.ParseLimit("nofile=64")
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("#!/no/such/interpreter\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = process.Start(process.Command{Args: []string{bad}, Limits: []process.Limit{limit}})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "start") {
		t.Errorf("a program without its interpreter: %v", err)
	}
	_, err = process.Start(process.Command{Args: []string{"true"}, Limits: []process.Limit{{Name: "none"}}})
	if err == nil || !strings.Contains(err.Error(), `unknown limit "none"`) {
		t.Errorf("an unknown limit: %v", err)
	}
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]process.Limit{
		"nofile=256":       {Name: "nofile", Soft: 256, Hard: 256},
		"NOFILE=256:1k":    {Name: "nofile", Soft: 256, Hard: 1024},
		"as=1GiB":          {Name: "as", Soft: 1 << 30, Hard: 1 << 30},
		"cpu=90s":          {Name: "cpu", Soft: 90, Hard: 90},
		"cpu=1500ms":       {Name: "cpu", Soft: 2, Hard: 2},
		"core=0:unlimited": {Name: "core", Soft: 0, Hard: process.Unlimited},
	} {
		got, err := process.ParseLimit(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
		if again, err := process.ParseLimit(got.String()); err != nil && got.Name != "cpu" || err == nil && again != got {
			t.Errorf("%v is read as %v, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "nofile", "nofile=", "nofile=-1", "nofile=2:1", "nofiles=1", "=1", "cpu=x", "nofile=1:2:3"} {
		if got, err := process.ParseLimit(text); err == nil {
			t.Errorf("%q = %v", text, got)
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	f.Add("nofile=256:unlimited")
	f.Fuzz(func(t *testing.T, text string) {
		if l, err := process.ParseLimit(text); err == nil && l.Soft > l.Hard {
			t.Errorf("%q = %v", text, l)
		}
	})
}

func TestLookupUser(t *testing.T) {
	if u, err := process.LookupUser("", ""); u != nil || err != nil {
		t.Errorf("nobody: %v, %v", u, err)
	}
	if u, err := process.LookupUser("root", ""); err != nil || u.UID != 0 || u.GID != 0 || !slices.Contains(u.Groups, 0) {
		t.Errorf("root: %v, %v", u, err)
	} else if login := u.Login(); len(login) != 4 || !slices.Contains(login, "USER=root") || !strings.HasPrefix(login[0], "HOME=/") {
		t.Errorf("root finds %q", login)
	}
	if u, err := process.LookupUser("0", "4242424"); err != nil || u.UID != 0 || u.GID != 4242424 || !slices.Equal(u.Groups, []int{4242424}) {
		t.Errorf("0 in 4242424: %v, %v", u, err)
	}
	for _, names := range [][2]string{{"no such user", ""}, {"4242424", ""}, {"", "no such group"}, {"4294967295", "0"}} {
		if u, err := process.LookupUser(names[0], names[1]); err == nil {
			t.Errorf("%q: %v", names, u)
		}
	}
}

// What is typed at one end of a pty is read at the other, as it is.
func TestDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tty")
	s, err := open(t, "pty", path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // programs come and go
		f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		s.Write([]byte("in\x03\x04\r\n"))
		if n, err := f.Read(b); string(b[:n]) != "in\x03\x04\r\n" || err != nil {
			t.Errorf("%q, %v", b[:n], err)
		}
		f.Write([]byte("out\n"))
		if n, err := s.Read(b); string(b[:n]) != "out\n" || err != nil {
			t.Errorf("%q, %v", b[:n], err)
		}
		f.Close()
	}
	if _, err := open(t, "pty", path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("where something is: %v", err)
	}
	var told string
	sc, _ := scheme.Lookup("pty")
	alone, err := sc.Open(process.OnTerminal(t.Context(), func(device string) { told = device }), scheme.Target{})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(told); err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		t.Errorf("a terminal without a path is told to be %q: %v", told, err)
	}
	if err := alone.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the link is still there")
	}
}

// A user who may not enter the directory is not told that the program is at fault alone.
func TestUserMayNotEnter(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may become another user")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := process.Command{Args: []string{"/bin/true"}, Dir: dir, User: &process.User{UID: 65534, GID: 65534}}
	_, err := process.Start(c)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "must be allowed to enter "+dir) {
		t.Errorf("error %v", err)
	}
}
