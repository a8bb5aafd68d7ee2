package examples

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zocalo"
	_ "zocalo/iso"
	zocalotls "zocalo/layer/tls"
)

// A program is one that was started.
type program struct {
	*exec.Cmd
	stdout, stderr *bufio.Reader
}

// start starts a program, which is ended with the test if it has not ended before.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(build(t, name), args...)}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout, p.stderr = bufio.NewReader(out), bufio.NewReader(said)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	return p
}

// address reads the next line of standard error, which says where the program listens.
func (p *program) address(t *testing.T) string {
	t.Helper()
	line, err := p.stderr.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on ")
	if !ok {
		t.Fatalf("the program says %q, %v", line, err)
	}
	return address
}

// interrupted ends the program as Ctrl-C does.
func (p *program) interrupted(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(p.stderr)
	if err := p.Wait(); err != nil || len(rest) > 0 {
		t.Errorf("the program ends with %v and says %q, want nothing", err, rest)
	}
}

// output is what a program prints that ends by itself.
func output(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command(build(t, name), args...).CombinedOutput()
	return string(out), err
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := zocalo.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestHTTPEverywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	p := start(t, "http-everywhere", "tcp:127.0.0.1:0", "unix:"+path, "tls:127.0.0.1:0")
	for _, want := range []string{`^You came over tcp\.\n$`, `^You came over unix\.\n$`, `^You came over tls\+tcp\.\ntls .*TLSv1\.3.*\n$`} {
		address := p.address(t)
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(t, address), nil }}
		r, err := (&http.Client{Transport: transport}).Get("http://server/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if !regexp.MustCompile(want).Match(body) || err != nil {
			t.Errorf("%s answers %q, %v, want a match of %s", address, body, err, want)
		}
		transport.CloseIdleConnections()
	}
	p.interrupted(t)
}

func TestMutualTLS(t *testing.T) {
	folder := t.TempDir()
	until := time.Now().Add(time.Hour)
	authority, err := zocalotls.NewAuthority(until)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(folder, "ca.pem")
	write(t, ca, authority.Certificate())
	issue := func(name string) string {
		both, err := authority.Issue(until, name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, name+".pem")
		write(t, path, both)
		return path
	}
	p := start(t, "mutual-tls", "serve", "tls:localhost:0,cert="+issue("localhost")+",client-ca="+ca)
	address := strings.Replace(p.address(t), "127.0.0.1", "localhost", 1) + ",ca=" + ca
	if out, err := output(t, "mutual-tls", "ask", address+",cert="+issue("ana@example.org")); out != "Hello, ana@example.org!\n" || err != nil {
		t.Errorf("a client with a certificate is told %q, %v", out, err)
	}
	if out, err := output(t, "mutual-tls", "ask", address); !strings.Contains(out, "certificate") || err == nil {
		t.Errorf("a client without one is told %q, %v", out, err)
	}
	if line, err := p.stderr.ReadString('\n'); !strings.Contains(line, "was turned away") {
		t.Errorf("the server says %q, %v", line, err)
	}
}

func TestForwarder(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		c, err := target.Accept()
		if err != nil {
			return
		}
		io.Copy(c, c)
		c.Close()
	}()
	p := start(t, "forwarder", "tcp-listen:127.0.0.1:0", "tcp:"+target.Addr().String())
	c := dial(t, p.address(t)).(interface {
		net.Conn
		CloseWrite() error
	})
	io.WriteString(c, "hola")
	c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "hola" || err != nil {
		t.Errorf("through the forwarder came %q, %v", got, err)
	}
	line, err := p.stdout.ReadString('\n')
	if want := ": 4 bytes there, 4 back, finished\n"; !strings.HasSuffix(line, want) {
		t.Errorf("the forwarder prints %q, %v, want ...%q", line, err, want)
	}
	p.interrupted(t)
}

func TestNetstat(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := output(t, "netstat")
	want := regexp.MustCompile(`(?m)^tcp +` + regexp.QuoteMeta(l.Addr().String()) + ` +examples\.test \([0-9]+\)$`)
	if err != nil || !want.MatchString(out) {
		t.Errorf("netstat prints\n%s%v\nwant a match of %v", out, err, want)
	}
}

func TestDatagrams(t *testing.T) {
	p := start(t, "datagrams", "udp:127.0.0.1:0")
	address := p.address(t)
	for _, want := range []string{"you are one of 1\n", "you are one of 2\n"} {
		c := dial(t, address)
		io.WriteString(c, "hola")
		b := make([]byte, 100)
		if n, err := c.Read(b); string(b[:n]) != want || err != nil {
			t.Errorf("a peer is told %q, %v, want %q", b[:n], err, want)
		}
	}
}

func TestTCPTour(t *testing.T) {
	want := "probes after 1m0s\nurgent: !\nbefore it: slow and steady\nCLOSE-WAIT, and a round trip was measured: true\nreset: true\n"
	if out, err := output(t, "tcp-tour"); out != want || err != nil {
		t.Errorf("the tour prints %q, %v, want %q", out, err, want)
	}
}

func TestS7(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "iso:127.0.0.1:0,tsap=rack0slot2")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept(context.Background())
		if err != nil {
			return
		}
		b := make([]byte, 100)
		if n, err := c.Read(b); err == nil && n == 18 {
			c.Write([]byte{0x32, 3, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0xf0, 0, 0, 1, 0, 1, 0, 240})
		}
		c.Read(b) // until the client has gone
		c.Close()
	}()
	if out, err := output(t, "s7", l.Address()); out != "messages of at most 240 bytes\n" || err != nil {
		t.Errorf("s7 prints %q, %v", out, err)
	}
	elsewhere := strings.Replace(l.Address(), "0x0102", "0x0103", 1)
	if out, err := output(t, "s7", elsewhere); !strings.Contains(out, "is rack and slot right?") || err == nil {
		t.Errorf("s7 of another slot prints %q, %v", out, err)
	}
}
