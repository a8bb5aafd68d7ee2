package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A service manager is told what happens, and watches.
func TestRunNotifies(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	must(t, err)
	defer manager.Close()
	file := filepath.Join(dir, "f.toml")
	must(t, os.WriteFile(file, []byte("[service.e]\nfrom = \"unix:"+filepath.Join(dir, "e")+"\"\ncommand = [\"sh\", \"-c\", \"env\"]\n"), 0o644))
	cmd := exec.Command("zocalo", "run", file)
	var out shared
	cmd.Stderr = &out
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+at, "WATCHDOG_USEC=200000")
	must(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	dogs := 0
	// told waits for a message, and returns its lines.
	told := func(first string) map[string]string {
		t.Helper()
		b := make([]byte, 4096)
		for {
			manager.SetReadDeadline(time.Now().Add(scriptPatience))
			n, err := manager.Read(b)
			if err != nil {
				t.Fatalf("%s was not told: %v\n%s", first, err, out.String())
			}
			lines := map[string]string{}
			for line := range strings.SplitSeq(string(b[:n]), "\n") {
				name, value, _ := strings.Cut(line, "=")
				lines[name] = value
			}
			if _, is := lines["WATCHDOG"]; is {
				dogs++
			}
			if _, is := lines[first]; is {
				return lines
			}
		}
	}
	pid := strconv.Itoa(cmd.Process.Pid)
	if m := told("READY"); m["MAINPID"] != pid || m["STATUS"] != "1 service" {
		t.Errorf("%v", m)
	}
	c, err := net.Dial("unix", filepath.Join(dir, "e"))
	must(t, err)
	env := new(bytes.Buffer)
	env.ReadFrom(c)
	c.Close()
	if text := env.String(); !strings.Contains(text, "PROTO=UNIX") || strings.Contains(text, "NOTIFY_SOCKET") || strings.Contains(text, "WATCHDOG") {
		t.Errorf("a program is told of the manager: %s", text)
	}
	must(t, os.WriteFile(file, []byte("[service.e]\nfrom = \"unix:"+filepath.Join(dir, "e")+"\"\n"), 0o644))
	must(t, cmd.Process.Signal(syscall.SIGHUP))
	if m := told("RELOADING"); m["MONOTONIC_USEC"] == "" || m["MONOTONIC_USEC"] == "0" {
		t.Errorf("%v", m)
	}
	if m := told("READY"); !strings.Contains(m["STATUS"], "refused: "+file+":1:10: e: it has neither") {
		t.Errorf("%v", m)
	}
	told("WATCHDOG")
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	told("STOPPING")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
	if dogs < 1 {
		t.Error("the watchdog was not fed")
	}
}

// Sockets of a service manager are listened on by their names, and a process that has begun as
// root is somebody else once it listens.
func TestRunActivated(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	inherited, err := l.(*net.TCPListener).File()
	must(t, err)
	defer inherited.Close()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	file := filepath.Join(dir, "f.toml")
	user := ""
	if os.Geteuid() == 0 {
		user = "user = \"nobody\"\n"
	}
	must(t, os.WriteFile(file, []byte(user+"[service.e]\nfrom = \"fd-listen:web\"\ncommand = [\"sh\", \"-c\", \"id -un; id -Gn\"]\n"), 0o644))
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec zocalo run "$0"`, file)
	var out shared
	cmd.Stderr = &out
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=web")
	cmd.ExtraFiles = []*os.File{inherited}
	must(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Signal(syscall.SIGTERM)
	c, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(scriptPatience))
	var answer bytes.Buffer
	_, err = answer.ReadFrom(c)
	must(t, err)
	if user != "" && !strings.HasPrefix(answer.String(), "nobody\nnogroup\n") {
		t.Errorf("programs are run as %q\n%s", answer.String(), out.String())
	}
}

// Ten processes take over one from the other, under load: no connection is refused, none is
// lost, and those that are open stay with the process that has them until they end.
func TestRunUpgrades(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	must(t, err)
	defer manager.Close()
	file := filepath.Join(dir, "f.toml")
	port, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	front := port.Addr().String()
	port.Close()
	unix := filepath.Join(dir, "s")
	must(t, os.WriteFile(file, []byte(`
[service.front]
from = "tcp-listen:`+front+`"
to = "unix:`+unix+`"
[service.back]
verb = "echo"
from = "unix:`+unix+`"
[service.udp]
verb = "echo"
from = "udp:`+front+`"
`), 0o644))
	var all []*exec.Cmd
	defer func() {
		for _, cmd := range all {
			cmd.Process.Kill()
			cmd.Wait()
		}
	}()
	var log shared
	begin := func(args ...string) *exec.Cmd {
		t.Helper()
		cmd := exec.Command("zocalo", append([]string{"run", file}, args...)...)
		cmd.Stderr = &log
		cmd.Env = os.Environ()
		if len(args) == 0 {
			cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+at)
		}
		must(t, cmd.Start())
		all = append(all, cmd)
		b := make([]byte, 4096)
		for {
			manager.SetReadDeadline(time.Now().Add(scriptPatience))
			n, err := manager.Read(b)
			if err != nil {
				t.Fatalf("process %d is not ready: %v\n%s", len(all), err, log.String())
			}
			if bytes.Contains(b[:n], []byte("READY=1\nMAINPID="+strconv.Itoa(cmd.Process.Pid)+"\n")) {
				return cmd
			}
		}
	}
	begin()
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", front)
		must(t, err)
		c.SetDeadline(time.Now().Add(time.Minute))
		return c
	}
	ask := func(c net.Conn) error {
		if _, err := c.Write([]byte("there?")); err != nil {
			return err
		}
		b := make([]byte, 6)
		_, err := io.ReadFull(c, b)
		return err
	}
	stop := make(chan struct{})
	var load sync.WaitGroup
	var mu sync.Mutex
	var lost []error
	asked := 0
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", front)
				if err == nil {
					c.SetDeadline(time.Now().Add(time.Minute))
					err = ask(c)
					c.Close()
				}
				mu.Lock()
				if asked++; err != nil {
					lost = append(lost, err)
				}
				mu.Unlock()
			}
		})
	}
	var open []net.Conn
	for range 10 {
		c := dial()
		defer c.Close()
		must(t, ask(c))
		open = append(open, c)
		begin("--upgrade")
	}
	close(stop)
	load.Wait()
	if len(lost) > 0 {
		t.Errorf("%d of %d connections were lost: %v\n%s", len(lost), asked, lost[0], log.String())
	}
	for i, c := range open {
		if err := ask(c); err != nil {
			t.Errorf("the connection of process %d was lost: %v", i+1, err)
		}
		c.Close()
	}
	u, err := net.Dial("udp", front)
	must(t, err)
	defer u.Close()
	u.SetDeadline(time.Now().Add(scriptPatience))
	must(t, ask(u))
	for i, cmd := range all[:10] {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i+1, err, log.String())
		}
	}
	last := all[10]
	all = nil
	must(t, last.Process.Signal(syscall.SIGTERM))
	if err := last.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log.String())
	}
	if strings.Contains(log.String(), "may not have stopped") {
		t.Errorf("an old process did not say that it had stopped:\n%s", log.String())
	}
	t.Logf("%d connections over 10 upgrades", asked)
	out, err := exec.Command("zocalo", "run", "--upgrade", file).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no process of this user runs "+file) {
		t.Errorf("%v: %s", err, out)
	}
}

// Standard output that nobody reads holds up neither the beginning nor a reload.
func TestRunWithStuckOutput(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f.toml")
	service := func(name string) string {
		return "[service." + name + "]\nverb = \"echo\"\nfrom = \"unix:" + filepath.Join(dir, name) + "\"\n"
	}
	must(t, os.WriteFile(file, []byte(service("a")), 0o644))
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	must(t, w.SetWriteDeadline(time.Now().Add(scriptPatience)))
	raw, err := w.SyscallConn()
	must(t, err)
	for full := false; !full; { // by single bytes, so that no line fits
		raw.Write(func(fd uintptr) bool {
			_, err := syscall.Write(int(fd), []byte{' '})
			full = err != nil
			return true
		})
	}
	cmd := exec.Command("zocalo", "run", "--json", "--admin-socket", "none", file)
	cmd.Stdout = w
	must(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	serves := func(name string) {
		t.Helper()
		for end := time.Now().Add(scriptPatience); ; time.Sleep(10 * time.Millisecond) {
			c, err := net.Dial("unix", filepath.Join(dir, name))
			if err == nil {
				c.SetDeadline(end)
				c.Write([]byte("x"))
				if _, err = io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				c.Close()
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	serves("a")
	must(t, os.WriteFile(file, []byte(service("a")+service("b")), 0o644))
	must(t, cmd.Process.Signal(syscall.SIGHUP))
	serves("b")
}
