package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/layer/quic"
)

// A server of QUIC that has been killed and started again, with the same key, tells those who still write to
// the first that it does not know them: they need not wait until they are silent for too long, and dial anew.
func TestQUICRestart(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("zocalo", "cert", dir, "localhost").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	options := ",cert=" + filepath.Join(dir, "server.pem")
	start := func(at string) (string, *os.Process) {
		c := exec.Command("zocalo", "echo", "--json", "quic:"+at+options)
		return startListening(t, c), c.Process
	}
	at, first := start("127.0.0.1:0")
	a, err := address.Parse("quic:" + at + ",sni=localhost,idle-timeout=1h,keepalive=0,ca=" + filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(quic.CloseIdle)
	s, err := zocalo.DialAddress(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 10)
	if _, err := s.Write([]byte("hola")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(b); err != nil {
		t.Fatal(err)
	}

	first.Kill()
	first.Wait()
	start(at)
	if _, err := s.Write([]byte("still there?")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(b); !errors.Is(err, syscall.ECONNRESET) || !strings.Contains(err.Error(), "no longer knows the connection") {
		t.Errorf("reading from a server that was started again: %v", err)
	}
	again, err := zocalo.DialAddress(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	again.SetDeadline(time.Now().Add(time.Minute))
	again.Write([]byte("hola"))
	if n, err := again.Read(b); string(b[:n]) != "hola" {
		t.Errorf("%q came back, %v", b[:n], err)
	}
}

// startListening starts a server with --json, which ends with the test at the latest, and returns the name
// that it listens at.
func startListening(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	var listening struct{ Name string }
	lines := bufio.NewScanner(out)
	lines.Scan()
	if err := json.Unmarshal(lines.Bytes(), &listening); err != nil || listening.Name == "" {
		t.Fatalf("%v says %q", c.Args, lines.Text())
	}
	go io.Copy(io.Discard, out)
	return listening.Name
}
