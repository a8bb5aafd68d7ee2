package sandbox_test

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zocalo/address"
	_ "zocalo/iso"
	_ "zocalo/layer/tls"
	_ "zocalo/layer/websocket"
	"zocalo/process"
	_ "zocalo/relay"
	"zocalo/service/sandbox"
)

func init() { process.Register() }

func needs(t *testing.T, passive bool, texts ...string) (n sandbox.Needs) {
	t.Helper()
	for _, text := range texts {
		a, err := address.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Add(a, a.Passive(passive)); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func TestNeeds(t *testing.T) {
	for _, c := range []struct {
		text string
		want sandbox.Needs
	}{
		{"tcp-listen:8080", sandbox.Needs{Bind: []uint16{8080}}},
		{"tcp:db:5432", sandbox.Needs{Connect: []uint16{5432}}},
		{"tcp:[::1]:http", sandbox.Needs{Connect: []uint16{80}}},
		{"tcp:db:5432,bind=10.0.0.1:4000", sandbox.Needs{Bind: []uint16{4000}, Connect: []uint16{5432}}},
		{"udp-listen:53", sandbox.Needs{}},
		{"unix-listen:/run/app/x.sock", sandbox.Needs{Sockets: []string{"/run/app"}}},
		{"unix:/run/app/x.sock", sandbox.Needs{}},
		{"file:/var/log/x,create,append", sandbox.Needs{Write: []string{"/var/log/x"}}},
		{"tls-listen:443,cert=/etc/zocalo/a.pem,key=/etc/zocalo/a.key", sandbox.Needs{Read: []string{"/etc/zocalo"}, Bind: []uint16{443}}},
		{"wss:h:8443/chat", sandbox.Needs{Connect: []uint16{8443}}},
		{"tls:h:443,keylog=/tmp/keys", sandbox.Needs{Write: []string{"/tmp/keys"}, Connect: []uint16{443}}},
		{"iso:plc:102/1-2", sandbox.Needs{Connect: []uint16{102}}},
		{"requested:", sandbox.Needs{AnyConnect: true}},
		{"stdio", sandbox.Needs{}},
	} {
		if diff := cmp.Diff(c.want, needs(t, false, c.text)); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", c.text, diff)
		}
	}
	var n sandbox.Needs
	for _, text := range []string{"exec:cat", "shell:date"} {
		a, err := address.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Add(a, false); err == nil {
			t.Errorf("%s can be in a sandbox", text)
		}
	}
}

func TestBeyond(t *testing.T) {
	has := needs(t, false, "tcp-listen:8080", "tcp:db:5432", "unix-listen:/run/app/x.sock", "tls-listen:443,cert=/etc/zocalo/a.pem,key=/etc/zocalo/keys/a.key")
	for _, c := range []struct {
		text string
		want []string
	}{
		{"tcp:other:5432", nil},
		{"unix-listen:/run/app/sub/y.sock", nil},
		{"tls-listen:8080,cert=/etc/zocalo/keys/b.pem", nil},
		{"tcp-listen:8081", []string{"port 8081"}},
		{"tcp:db:5433", []string{"connecting to port 5433"}},
		{"unix-listen:/run/application/x.sock", []string{"making sockets in /run/application"}},
		{"file:/etc/zocalo/a.pem", []string{"writing /etc/zocalo/a.pem"}},
		{"requested:", []string{"connecting to any port"}},
	} {
		if got := has.Beyond(needs(t, false, c.text)); !slices.Equal(got, c.want) {
			t.Errorf("%s: beyond %q, expected %q", c.text, got, c.want)
		}
	}
	all := has
	all.AddAll(needs(t, false, "tcp-listen:8081", "requested:"))
	if b := all.Beyond(has); b != nil {
		t.Errorf("less is beyond: %q", b)
	}
}

// A process in a sandbox, which this test starts since there is no way out of one.
func TestEnter(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("Landlock is Linux's")
	}
	dir := t.TempDir()
	for _, f := range []string{"read/a", "write/a", "other/a"} {
		os.Mkdir(filepath.Join(dir, filepath.Dir(f)), 0o700)
		if err := os.WriteFile(filepath.Join(dir, f), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	allowed, denied := listener(t), listener(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInside$", "-test.v")
	cmd.Env = append(os.Environ(), "SANDBOX_DIR="+dir, "SANDBOX_ALLOWED="+allowed, "SANDBOX_DENIED="+denied)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("%s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

// listener accepts on a port, which it returns.
func listener(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestInside(t *testing.T) {
	dir := os.Getenv("SANDBOX_DIR")
	if dir == "" {
		t.Skip("TestEnter runs this in a process of its own")
	}
	port, _ := strconv.ParseUint(os.Getenv("SANDBOX_ALLOWED"), 10, 16)
	weaker, err := sandbox.Enter(sandbox.Needs{
		Read: []string{dir + "/read"}, Write: []string{dir + "/write", dir + "/write/new"}, Sockets: []string{dir + "/read"}, Connect: []uint16{uint16(port)},
	})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, err error, allowed bool) {
		t.Helper()
		if (err == nil) != allowed || err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = os.ReadFile(dir + "/read/a")
	expect("reading", err, true)
	expect("writing where only reading is allowed", os.WriteFile(dir+"/read/a", nil, 0o600), false)
	expect("writing", os.WriteFile(dir+"/write/new", []byte("y"), 0o600), true)
	_, err = os.ReadFile(dir + "/other/a")
	expect("reading elsewhere", err, false)
	_, err = os.Open("/etc/shadow")
	expect("reading /etc/shadow", err, false)
	_, err = os.ReadFile("/etc/hosts")
	expect("reading what every program reads", err, true)
	expect("running a program", exec.Command("/bin/true").Run(), false)
	u, err := net.Listen("unix", dir+"/read/sock")
	expect("making a unix socket", err, true)
	if err == nil {
		u.Close()
	}
	_, err = net.Listen("unix", dir+"/other/sock")
	expect("making one elsewhere", err, false)
	if weaker != "" {
		t.Log(weaker)
		return
	}
	c, err := net.Dial("tcp", "127.0.0.1:"+os.Getenv("SANDBOX_ALLOWED"))
	expect("connecting", err, true)
	if err == nil {
		bufio.NewReader(c)
		c.Close()
	}
	_, err = net.Dial("tcp", "127.0.0.1:"+os.Getenv("SANDBOX_DENIED"))
	expect("connecting to another port", err, false)
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // which Landlock does not restrict
	_, err = plain.Listen(t.Context(), "tcp", "127.0.0.1:47113")
	expect("listening on another port", err, false)
}
