package relay_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"zocalo"
	"zocalo/internal/testenv"
)

// starts runs a program until the test ends.
func starts(t *testing.T, name string, args ...string) *bytes.Buffer {
	t.Helper()
	c := exec.Command(name, args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	try(t, c.Start())
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, &said)
		}
	})
	return &said
}

// runs returns what a program prints.
func runs(t *testing.T, stdin io.Reader, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Stdin = stdin
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, &said)
	}
	return string(out)
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// answers waits until somebody listens.
func answers(t *testing.T, address string) {
	t.Helper()
	await(t, address+" answers", func() bool {
		c, err := zocalo.Dial(t.Context(), address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// redis on a unix socket, its own client and benchmark over TCP.
func TestRedis(t *testing.T) {
	server, client, benchmark := testenv.Program(t, "redis-server"), testenv.Program(t, "redis-cli"), testenv.Program(t, "redis-benchmark")
	path := inTemp(t, "redis.sock")
	starts(t, server, "--port", "0", "--unixsocket", path, "--save", "", "--dir", t.TempDir())
	answers(t, "unix:"+path)
	r := relays(t, nil, tcpListen, "unix:"+path)
	port := portOf(r.address())
	value := strings.Repeat("0123456789", 100_000)
	if got := runs(t, strings.NewReader(value), client, "-p", port, "-x", "set", "key"); strings.TrimSpace(got) != "OK" {
		t.Fatalf("set: %q", got)
	}
	if got := runs(t, nil, client, "-p", port, "get", "key"); strings.TrimSpace(got) != value {
		t.Errorf("%d bytes came back of %d", len(got), len(value))
	}
	if got := runs(t, nil, benchmark, "-p", port, "-n", "2000", "-c", "20", "-t", "ping,set,get", "-q"); strings.Count(got, "requests per second") < 3 {
		t.Errorf("the benchmark said %q", got)
	}
}

// curl over a unix socket, to a server on TCP; several requests on one
// connection, and a body each way.
func TestHTTP(t *testing.T) {
	curl := testenv.Program(t, "curl")
	l := listen(t, "tcp:127.0.0.1:0")
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}
	go server.Serve(l.NetListener())
	t.Cleanup(func() { server.Close() })
	path := inTemp(t, "http.sock")
	r := relays(t, nil, "unix-listen:"+path, addressOf(t, "tcp:127.0.0.1:0", l))
	r.address()
	body := strings.Repeat("hola mundo\n", 50_000)
	for range 2 {
		if got := runs(t, strings.NewReader(body), curl, "-sS", "--unix-socket", path, "--data-binary", "@-", "http://localhost/"); got != body {
			t.Errorf("%d bytes came back of %d", len(got), len(body))
		}
	}
}

// ssh, client and server, with a stream of bytes each way.
func TestSSH(t *testing.T) {
	testenv.Root(t)
	ssh, keygen := testenv.Program(t, "ssh"), testenv.Program(t, "ssh-keygen")
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		sshd = testenv.Program(t, "sshd")
	}
	dir := t.TempDir()
	for _, key := range []string{"host", "user"} {
		runs(t, nil, keygen, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key))
	}
	public, err := os.ReadFile(filepath.Join(dir, "user.pub"))
	try(t, err)
	try(t, os.WriteFile(filepath.Join(dir, "authorized"), public, 0o600))
	try(t, os.MkdirAll("/run/sshd", 0o755))
	l := listen(t, "tcp:127.0.0.1:0")
	port := int(l.Name().AddrPort().Port())
	try(t, l.Close())
	config := filepath.Join(dir, "config")
	try(t, os.WriteFile(config, fmt.Appendf(nil, "Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n",
		port, dir, dir), 0o600))
	starts(t, sshd, "-D", "-e", "-f", config)
	to := "tcp:127.0.0.1:" + strconv.Itoa(port)
	answers(t, to)
	r := relays(t, nil, tcpListen, to)
	text := strings.Repeat("through ssh\n", 20_000)
	got := runs(t, strings.NewReader(text), ssh, "-F", "none", "-p", portOf(r.address()), "-i", filepath.Join(dir, "user"), "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "root@127.0.0.1", "cat")
	if got != text {
		t.Errorf("%d bytes came back of %d", len(got), len(text))
	}
}
