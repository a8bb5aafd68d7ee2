package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo"
	"zocalo/internal/testenv"
)

// web is an HTTP server, and what it says.
func web(t testing.TB) (url, text string) {
	t.Helper()
	text = strings.Repeat("hola ", 100_000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }))
	t.Cleanup(s.Close)
	return s.URL, text
}

// output runs a program and returns what it prints.
func output(t testing.TB, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, testenv.Program(t, name), args...)
	c.Env = append(os.Environ(), env...)
	out, err := c.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	return string(out), err
}

// curl in all the forms of its --proxy.
func TestCurl(t *testing.T) {
	testenv.Program(t, "curl")
	at := running(t, "proxy-listen:127.0.0.1:0")
	known := running(t, "proxy-listen:127.0.0.1:0,users="+file(t, "ana:secreto\n"))
	url, text := web(t)
	url = strings.Replace(url, "127.0.0.1", "localhost", 1)
	for _, scheme := range []string{"socks4", "socks4a", "socks5", "socks5h", "http"} {
		args := []string{"-sS", "-4", "--proxytunnel", "--noproxy", "", "--proxy"}
		if out, err := output(t, nil, "curl", append(args, scheme+"://"+at, url)...); out != text || err != nil {
			t.Errorf("%s: %d bytes, %v", scheme, len(out), err)
		}
		if _, err := output(t, nil, "curl", append(args, scheme+"://"+at, "http://"+nobody(t))...); err == nil {
			t.Errorf("%s: nobody was reached", scheme)
		}
		out, err := output(t, nil, "curl", append(args, scheme+"://ana:secreto@"+known, url)...)
		if strings.HasPrefix(scheme, "socks4") == (err == nil) || err == nil && out != text {
			t.Errorf("%s as ana: %d bytes, %v", scheme, len(out), err)
		}
		if _, err := output(t, nil, "curl", append(args, scheme+"://ana:falso@"+known, url)...); err == nil {
			t.Errorf("%s: a wrong password was taken", scheme)
		}
	}
	ca, certificate := certificates(t)
	secure := running(t, "connect+tls+tcp-listen:127.0.0.1:0,cert="+certificate)
	_, port, _ := net.SplitHostPort(secure)
	out, err := output(t, nil, "curl", "-sS", "-4", "--proxytunnel", "--noproxy", "", "--proxy-cacert", ca,
		"--resolve", "db.example:"+port+":127.0.0.1", "--proxy", "https://db.example:"+port, url)
	if out != text || err != nil {
		t.Errorf("https: %d bytes, %v", len(out), err)
	}
}

func TestProxychains(t *testing.T) {
	testenv.Program(t, "proxychains4")
	testenv.Program(t, "curl")
	one, two, three := running(t, "socks-listen:127.0.0.1:0"), running(t, "proxy-listen:127.0.0.1:0"), running(t, "connect-listen:127.0.0.1:0")
	url, text := web(t)
	port := func(at string) string { _, p, _ := net.SplitHostPort(at); return p }
	config := file(t, fmt.Sprintf("strict_chain\nquiet_mode\n[ProxyList]\nsocks4 127.0.0.1 %s\nsocks5 127.0.0.1 %s\nhttp 127.0.0.1 %s\n", port(one), port(two), port(three)))
	if out, err := output(t, nil, "proxychains4", "-f", config, "curl", "-sS", url); out != text || err != nil {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// ssh's ProxyCommand by the like of nc -X, and python's own CONNECT.
func TestNcat(t *testing.T) {
	testenv.Program(t, "ncat")
	at := running(t, "proxy-listen:127.0.0.1:0")
	host, port, _ := net.SplitHostPort(greeter(t))
	for _, kind := range []string{"http", "socks4", "socks5"} {
		out, err := output(t, nil, "ncat", "--recv-only", "--idle-timeout", "1", "--proxy", at, "--proxy-type", kind, host, port)
		if !strings.HasPrefix(out, greeting) {
			t.Errorf("%s: %q, %v", kind, out, err)
		}
	}
}

// daemon starts a program that listens at a port, and returns where once it does.
func daemon(t *testing.T, start func(port string) *exec.Cmd) string {
	t.Helper()
	at := nobody(t)
	_, port, _ := net.SplitHostPort(at)
	c := start(port)
	said := filepath.Join(t.TempDir(), "said")
	log, err := os.Create(said)
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	err = c.Start()
	log.Close()
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { c.Wait(); close(over) }()
	t.Cleanup(func() {
		c.Process.Signal(os.Interrupt)
		select {
		case <-over:
		case <-time.After(time.Second):
			c.Process.Kill()
			<-over
		}
		if text, _ := os.ReadFile(said); t.Failed() {
			t.Logf("%s said: %s", c.Path, text)
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", at); err == nil {
			c.Close()
			return at
		}
		select {
		case <-over:
			text, _ := os.ReadFile(said)
			t.Fatalf("%s ended: %s", c.Path, text)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen", c.Path)
		}
	}
}

// A server is a program that is a proxy.
type server struct {
	start   func(t *testing.T, port string) *exec.Cmd
	layers  string // that go through it
	lossy   bool   // it loses what comes after a half-close
	refuses string // what of its answer an error has to say
	udp     bool
}

var servers = map[string]server{
	"dante": {layers: "socks4 socks5", refuses: "the connection was refused", udp: true, start: func(t *testing.T, port string) *exec.Cmd {
		testenv.Root(t) // it wants to become others
		return exec.Command(testenv.Program(t, "danted"), "-f", file(t, fmt.Sprintf(`
logoutput: stderr
internal: 127.0.0.1 port = %s
external: lo
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0/0 to: 0/0 }
socks pass { from: 0/0 to: 0/0 }
`, port)))
	}},
	"microsocks": {layers: "socks5", lossy: true, refuses: "the connection was refused", start: func(t *testing.T, port string) *exec.Cmd {
		return exec.Command(testenv.Program(t, "microsocks"), "-i", "127.0.0.1", "-p", port)
	}},
	"squid": {layers: "connect", lossy: true, refuses: "503 Service Unavailable", start: func(t *testing.T, port string) *exec.Cmd {
		dir := t.TempDir()
		os.Chmod(dir, 0o777)
		os.Chmod(filepath.Dir(dir), 0o755)
		return exec.Command(testenv.Program(t, "squid"), "-N", "-f", file(t, fmt.Sprintf(`
http_port 127.0.0.1:%s
http_access allow all
cache deny all
access_log none
cache_log /dev/null
pid_filename none
coredump_dir %s
shutdown_lifetime 0 seconds
`, port, dir)))
	}},
	"tinyproxy": {layers: "connect", lossy: true, refuses: "500 Unable to connect", start: func(t *testing.T, port string) *exec.Cmd {
		return exec.Command(testenv.Program(t, "tinyproxy"), "-d", "-c", file(t, fmt.Sprintf("Port %s\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\n", port)))
	}},
	"ssh -D": {layers: "socks4 socks4a socks5", start: sshd},
}

// sshd starts a server of ssh, and returns what makes a proxy of it.
func sshd(t *testing.T, port string) *exec.Cmd {
	testenv.Root(t)
	server, ssh, keygen := testenv.Program(t, "sshd"), testenv.Program(t, "ssh"), testenv.Program(t, "ssh-keygen")
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	os.MkdirAll("/run/sshd", 0o755)
	at := daemon(t, func(port string) *exec.Cmd {
		return exec.Command(server, "-D", "-e", "-f", file(t, fmt.Sprintf(
			"ListenAddress 127.0.0.1:%s\nHostKey %s\nAuthorizedKeysFile %[2]s.pub\nStrictModes no\nPidFile none\nPermitRootLogin yes\nUsePAM no\nMaxStartups 100\n", port, key)))
	})
	_, sshPort, _ := net.SplitHostPort(at)
	return exec.Command(ssh, "-F", "none", "-N", "-D", "127.0.0.1:"+port, "-p", sshPort, "-i", key,
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "root@127.0.0.1")
}

// Our clients through proxies that nobody here wrote: one whose server speaks first, an
// answer as to why not and, where the proxy can, a half-close that loses nothing.
func TestServers(t *testing.T) {
	for name, s := range servers {
		t.Run(name, func(t *testing.T) {
			at := daemon(t, func(port string) *exec.Cmd { return s.start(t, port) })
			for layer := range strings.FieldsSeq(s.layers) {
				to := strings.Replace(greeter(t), "127.0.0.1", "localhost", 1)
				c := dial(t, layer+":"+at+",to="+to)
				if !s.lossy {
					converse(t, c)
				} else {
					b := make([]byte, len(greeting))
					c.SetDeadline(time.Now().Add(patience))
					if n, err := c.Read(b); string(b[:n]) != greeting {
						t.Errorf("%s: %q, %v", layer, b[:n], err)
					}
					c.Close()
				}
				if s.refuses != "" && layer != "socks4" {
					fails(t, layer+":"+at+",to="+nobody(t), s.refuses)
				}
			}
			if !s.udp {
				return
			}
			c := dial(t, "socks5+udp:"+at+",to="+parrot(t, "127.0.0.1:0"))
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			b := make([]byte, 10)
			c.Write([]byte("hola"))
			if n, err := c.Read(b); string(b[:n]) != "HOLA" {
				t.Errorf("%q, %v", b[:n], err)
			}
		})
	}
}

// Our proxies, one behind a proxy that nobody here wrote.
func TestThrough(t *testing.T) {
	dante := servers["dante"]
	at := daemon(t, func(port string) *exec.Cmd { return dante.start(t, port) })
	ours := running(t, "socks-listen:127.0.0.1:0")
	converse(t, dial(t, "socks5+socks5+tcp:"+ours+",to="+at+",to="+greeter(t)))
	converse(t, dial(t, "socks5+socks5+tcp:"+at+",to="+ours+",to="+greeter(t)))
	if _, err := zocalo.Dial(t.Context(), "socks5:"+at+",to=nobody.invalid:1"); err == nil {
		t.Error("nobody.invalid was reached")
	}
}
