//go:build unix

package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// home gives the test a run-time directory of its own, whose path is short enough for a socket.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "z")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("TMPDIR", dir)
	return filepath.Join(dir, "zocalo")
}

func open(t *testing.T, rows func(*Request) []Row) *Server {
	t.Helper()
	s := &Server{Verb: "relay", Rows: rows}
	must(t, s.Open())
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", s.path)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// What a process tells is what others of the user hear; nobody else may ask, and after Close nothing is left.
func TestAnswer(t *testing.T) {
	dir := home(t)
	began := time.Now().Round(0)
	row := Row{Kind: "pair", Type: "stream", State: "established", Local: "tcp:127.0.0.1:1", Peer: "unix:\x1b[31m", Sent: 5, Received: 7, Began: began}
	a, b := open(t, func(*Request) []Row { return []Row{row} }), open(t, func(*Request) []Row { return nil })
	for _, path := range []string{dir, a.path} {
		info, err := os.Stat(path)
		must(t, err)
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[info.IsDir()]; info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	got := Look(t.Context())
	if len(got) != 2 || len(got[0].Rows) != 1 || len(got[1].Rows) != 0 || got[0].PID != os.Getpid() || got[0].UID != os.Geteuid() || got[0].Verb != "relay" {
		t.Fatalf("it found %+v", got)
	}
	if r := got[0].Rows[0]; !r.Began.Equal(began) || r.Peer != row.Peer || r.Sent != 5 || r.Received != 7 {
		t.Errorf("it found %+v", r)
	}
	a.Close()
	b.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if got := Look(t.Context()); got != nil {
		t.Errorf("it found %+v", got)
	}
}

// One connection may ask again and again; what is no request is answered by why not.
func TestRequests(t *testing.T) {
	home(t)
	s := open(t, func(r *Request) []Row {
		if !r.Wants("iso") {
			return nil
		}
		return []Row{{Kind: "iso"}}
	})
	c := dial(t, s)
	in := bufio.NewScanner(c)
	ask := func(text string) (lines []string) {
		t.Helper()
		_, err := c.Write([]byte(text + "\n"))
		must(t, err)
		for in.Scan() {
			lines = append(lines, in.Text())
			if strings.Contains(in.Text(), `"end"`) || strings.Contains(in.Text(), `"error"`) {
				return lines
			}
		}
		t.Fatalf("%s: the answer ends after %q: %v", text, lines, in.Err())
		return nil
	}
	for range 2 {
		if got := ask(`{"zocalo":1,"ask":"sockets","more":"is for later"}`); len(got) != 3 || got[2] != `{"end":true}` {
			t.Errorf("it answers %q", got)
		}
	}
	if got := ask(`{"zocalo":1,"ask":"sockets","kinds":["ns"]}`); len(got) != 2 {
		t.Errorf("of another kind it has %q", got)
	}
	for text, want := range map[string]string{
		`{"zocalo":2,"ask":"sockets"}`: "protocol version 2 is not supported: this is version 1",
		`{"zocalo":1,"ask":"secrets"}`: `unknown request`,
		`sockets`:                      "a line of JSON",
		``:                             "a line of JSON",
	} {
		var h Header
		if got := ask(text); len(got) != 1 || json.Unmarshal([]byte(got[0]), &h) != nil || !strings.Contains(h.Error, want) || h.Zocalo != 1 {
			t.Errorf("%s: it answers %q", text, got)
		}
	}
	if got := ask(strings.Repeat("x", mostRequest)); !strings.Contains(got[0], "longer than 4096 bytes") {
		t.Errorf("a long one: %q", got)
	}
	if in.Scan() {
		t.Errorf("after a long one: %q", in.Text())
	}
}

// Rows and clients are bounded, and a client that says nothing does not keep the end.
func TestBounds(t *testing.T) {
	home(t)
	s := open(t, func(*Request) []Row { return make([]Row, mostRows+3) })
	if got := Look(t.Context()); len(got) != 1 || len(got[0].Rows) != mostRows || got[0].LeftOut != 3 {
		t.Fatalf("it found %d rows of %d processes", len(got[0].Rows), len(got))
	}
	var all []net.Conn
	for range mostClients + 1 {
		all = append(all, dial(t, s))
	}
	last := all[mostClients]
	_, err := last.Write([]byte(`{"zocalo":1,"ask":"nothing"}` + "\n"))
	must(t, err)
	all[0].Close() // its place is the last one's
	if line, err := bufio.NewReader(last).ReadString('\n'); err != nil || !strings.Contains(line, "unknown request") {
		t.Errorf("the last hears %q, %v", line, err)
	}
	s.Close()
}

// A socket without a listener is removed where its process is gone, by whoever looks and by whoever comes; one with a listener stays.
func TestStale(t *testing.T) {
	dir := home(t)
	must(t, os.Mkdir(dir, 0o700))
	gone := exec.Command("true")
	must(t, gone.Run())
	stale := func(pid int, name string, age time.Duration) string {
		path := filepath.Join(dir, strconv.Itoa(pid)+name)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		must(t, err)
		l.SetUnlinkOnClose(false)
		must(t, l.Close())
		then := time.Now().Add(-age)
		must(t, os.Chtimes(path, then, then))
		return path
	}
	is := func(what string, want bool, paths ...string) {
		t.Helper()
		for _, path := range paths {
			if _, err := os.Lstat(path); (err == nil) != want {
				t.Errorf("%s: %s: %v", what, filepath.Base(path), err)
			}
		}
	}
	pid := gone.Process.Pid
	left, young, old := stale(pid, "-00000001.sock", 0), stale(os.Getpid(), "-00000002.sock", 0), stale(os.Getpid(), "-00000003.sock", time.Hour)
	file := filepath.Join(dir, strconv.Itoa(pid)+"-00000005.sock")
	must(t, os.WriteFile(file, nil, 0o600))
	Look(t.Context())
	is("looked", false, left, old)
	is("looked", true, young, file)
	left = stale(pid, "-00000006.sock", 0)
	s := open(t, nil)
	is("opened", false, left)
	is("opened", true, young, file, s.path)
}

// A process that says nothing, or too much, keeps nobody from the answers of others.
func TestSilent(t *testing.T) {
	dir := home(t)
	open(t, func(*Request) []Row { return []Row{{Kind: "iso"}} })
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, strconv.Itoa(os.Getpid())+"-00000001.sock"), Net: "unix"})
	must(t, err)
	defer l.Close() // it is never accepted from
	if got := Look(t.Context()); len(got) != 1 || len(got[0].Rows) != 1 {
		t.Errorf("it found %+v", got)
	}
	var left atomic.Int64
	left.Store(20)
	if a, err := readAnswer(bounded{strings.NewReader(`{"zocalo":1}` + "\n" + `{"kind":"pair"}` + "\n" + `{"end":true}` + "\n"), &left}); err == nil {
		t.Errorf("too much was read: %+v", a)
	}
}

// Many that say nothing, as commands that are stopped, are asked side by side.
func TestManySilent(t *testing.T) {
	dir := home(t)
	open(t, func(*Request) []Row { return []Row{{Kind: "iso"}} })
	for i := range 100 {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, fmt.Sprintf("1-%08x.sock", i)), Net: "unix"})
		must(t, err)
		defer l.Close()
	}
	if got := Look(t.Context()); len(got) != 1 {
		t.Errorf("it found %+v", got)
	}
}

// Who has no XDG_RUNTIME_DIR, as root under sudo, finds what was begun with one.
func TestRuntimeDirNotSet(t *testing.T) {
	dir := home(t)
	old := runUser
	t.Cleanup(func() { runUser = old })
	runUser = filepath.Dir(dir)
	own := filepath.Join(runUser, strconv.Itoa(os.Geteuid()))
	must(t, os.Mkdir(own, 0o700))
	t.Setenv("XDG_RUNTIME_DIR", own)
	open(t, func(*Request) []Row { return []Row{{Kind: "iso"}} })
	for _, set := range []string{own, ""} {
		t.Setenv("XDG_RUNTIME_DIR", set)
		if got := Look(t.Context()); len(got) != 1 {
			t.Errorf("with %q it found %+v", set, got)
		}
	}
}

// A folder that others may use, or that is another's, is not trusted: neither made use of nor looked into.
func TestForeignFolder(t *testing.T) {
	dir := home(t)
	must(t, os.Mkdir(dir, 0o755))
	s := open(t, nil)
	if filepath.Dir(s.path) == dir {
		t.Errorf("it is %s", s.path)
	}
	s.Close()
	must(t, os.Chmod(filepath.Dir(s.path), 0o755))
	bad := &Server{}
	if err := bad.Open(); err == nil {
		bad.Close()
		t.Errorf("both may be used by others, and it is %s", bad.path)
	} else if !strings.Contains(err.Error(), "open to other users") {
		t.Error(err)
	}
	must(t, os.RemoveAll(dir))
	must(t, os.Symlink(t.TempDir(), dir))
	if err := private(dir, os.Geteuid()); err == nil || !strings.Contains(err.Error(), "is not a folder") {
		t.Errorf("a link: %v", err)
	}
	if os.Geteuid() == 0 {
		must(t, os.Remove(dir))
		must(t, os.Mkdir(dir, 0o700))
		must(t, os.Chown(dir, 12345, -1))
		if err := private(dir, 0); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
			t.Errorf("another's: %v", err)
		}
	}
}

// Another user who reaches the socket is told nothing, and one who serves a socket in our folder is not believed.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	const python = "/usr/bin/python3" // one that every user may run
	if _, err := os.Stat(python); err != nil {
		t.Skip(err)
	}
	dir := home(t)
	s := open(t, func(*Request) []Row { return nil })
	for _, path := range []string{filepath.Dir(dir), dir} {
		must(t, os.Chmod(path, 0o777))
	}
	must(t, os.Chmod(s.path, 0o666))
	as := func(code string, args ...string) *exec.Cmd {
		cmd := exec.Command(python, append([]string{"-c", code}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return cmd
	}
	out, err := as(`import socket,sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
try:
    s.sendall(b'{"zocalo":1,"ask":"sockets"}\n'); print("heard", s.recv(100))
except (BrokenPipeError, ConnectionResetError): print("heard b''")
`, s.path).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "heard b''" {
		t.Errorf("another user: %v %s", err, out)
	}
	path := filepath.Join(dir, "1-00000001.sock")
	cmd := as(`import socket,sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print("listens", flush=True)
c, _ = s.accept(); c.sendall(b'{"zocalo":1,"pid":1}\n{"kind":"pair","state":"established"}\n{"end":true}\n'); sys.stdin.read()
`, path)
	stdin, err := cmd.StdinPipe()
	must(t, err)
	said, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer cmd.Wait()
	defer stdin.Close()
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	if a, err := ask(t.Context(), path, 0, nil, new(atomic.Int64)); err == nil || !strings.Contains(err.Error(), "served by another user") {
		t.Errorf("it believes %+v, %v", a, err)
	}
}

// An answer that is none, or that has no end, is left out.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{"", "{}", `{"zocalo":1,"pid":7}` + "\n" + `{"kind":"pair"}` + "\n" + `{"end":true}` + "\n", "[]\n", `{"error":"no"}` + "\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := readAnswer(bytes.NewReader(text))
		if (a == nil) == (err == nil) {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
		if err == nil && len(a.Rows) > bytes.Count(text, []byte("\n")) {
			t.Errorf("%q: %d rows", text, len(a.Rows))
		}
	})
}
