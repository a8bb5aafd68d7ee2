package proxyproto_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zocalo"
	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// freePort returns a port without a listener, as programs want to be told one.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a program until the test ends, and returns once it listens.
func start(t *testing.T, config, listens string, command ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(testenv.Program(t, command[0]), append(command[1:], path)...)
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	for range 400 {
		if c, err := net.Dial("tcp", listens); err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%v does not listen: %s", command, out.String())
}

// startNginx runs nginx as the user of the test, in the foreground.
func startNginx(t *testing.T, listens, module, config string) {
	t.Helper()
	if module != "" {
		path := "/usr/lib/nginx/modules/" + module
		if _, err := os.Stat(path); err != nil {
			t.Skipf("nginx has no %s", module)
		}
		module = "load_module " + path + ";\n"
	}
	dir := t.TempDir()
	start(t, module+fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log stderr;\nevents {}\n", dir)+strings.ReplaceAll(config, "DIR", dir),
		listens, "nginx", "-p", dir, "-c")
}

// from is what a program connects to itself to find out who is told: it speaks to at,
// and the listener hears of whom.
func from(t *testing.T, l *zocalo.Listener, at string) (client net.Conn, server *socket.Socket) {
	t.Helper()
	accepted := accepting(t, l)
	client, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	io.WriteString(client, "hello")
	if server = <-accepted; server == nil {
		t.FailNow()
	}
	hears(t, server, "hello")
	if server.Peer().String() != client.LocalAddr().String() || server.Name().String() != at {
		t.Errorf("%v to %v was told, want %v to %s", server.Peer(), server.Name(), client.LocalAddr(), at)
	}
	return client, server
}

func TestHaproxySends(t *testing.T) {
	for _, send := range []string{"send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"} {
		l, _ := listen(t, "pp+tcp:127.0.0.1:0,pp-from=127.0.0.0/8")
		at := freePort(t)
		accepted := accepting(t, l) // of the connection by which start sees that it listens
		start(t, fmt.Sprintf(`defaults
  mode tcp
  timeout connect 10s
  timeout client 30s
  timeout server 30s
frontend f
  bind %s
  unique-id-format ID-%%pid
  default_backend b
backend b
  server s %v %s
`, at, l.Name(), send), at, "haproxy", "-db", "-f")
		if s := <-accepted; s != nil {
			s.Close()
		}
		_, server := from(t, l, at)
		hasID := slices.ContainsFunc(server.Facts(), func(f socket.Fact) bool {
			return f.Variable == "UNIQUE_ID" && strings.HasPrefix(f.Value, "ID-")
		})
		if hasID != strings.Contains(send, "unique-id") {
			t.Errorf("%s: %v", send, server.Facts())
		}
	}
}

func TestNginxSends(t *testing.T) {
	l, _ := listen(t, "pp+tcp:127.0.0.1:0")
	at := freePort(t)
	accepted := accepting(t, l)
	startNginx(t, at, "ngx_stream_module.so", fmt.Sprintf("stream { server { listen %s; proxy_pass %v; proxy_protocol on; } }\n", at, l.Name()))
	if s := <-accepted; s != nil {
		s.Close()
	}
	from(t, l, at)
}

func TestCurlSends(t *testing.T) {
	l, _ := listen(t, "pp+tcp:127.0.0.1:0")
	accepted := accepting(t, l)
	c := exec.Command(testenv.Program(t, "curl"), "-sS", "--max-time", "30", "--haproxy-protocol", "http://"+l.Name().String())
	heard := make(chan string, 1)
	go func() {
		out, err := c.CombinedOutput()
		heard <- fmt.Sprint(string(out), err)
	}()
	s := <-accepted
	if s == nil {
		t.FailNow()
	}
	hears(t, s, "GET / HTTP/1.1\r\n")
	if s.Name() != l.Name() || s.Peer().AddrPort().Addr() != l.Name().AddrPort().Addr() {
		t.Errorf("%v to %v", s.Peer(), s.Name())
	}
	say(t, s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	if out := <-heard; out != "ok<nil>" {
		t.Errorf("curl says %q", out)
	}
}

func inet(text string) socket.Name { return socket.InetName(netip.MustParseAddrPort(text)) }

// tells checks whom a server believes to speak to, where a connection is for somebody
// else, by both versions.
func tells(t *testing.T, at string) {
	t.Helper()
	for _, version := range []string{"1", "2"} {
		for _, peer := range []string{"192.0.2.1:56324", "[2001:db8::1]:1234"} {
			o := scheme.Origin{Peer: inet(peer), Local: inet(peer)}
			ctx, cancel := context.WithTimeout(scheme.WithOrigin(t.Context(), o), 20*time.Second)
			defer cancel()
			c, err := zocalo.Dial(ctx, "pp+tcp:"+at+",pp="+version)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			say(t, c, "GET / HTTP/1.0\r\n\r\n")
			body, err := io.ReadAll(c)
			host, port, _ := net.SplitHostPort(peer)
			if want := host + " " + port; err != nil || !strings.HasSuffix(string(body), want) {
				t.Errorf("version %s: %q, %v, want %q", version, body, err, want)
			}
		}
	}
}

func TestHaproxyAccepts(t *testing.T) {
	at := freePort(t)
	start(t, fmt.Sprintf(`defaults
  mode http
  timeout client 30s
frontend f
  bind %s accept-proxy
  http-request return content-type text/plain lf-string "%%[src] %%[src_port]"
`, at), at, "haproxy", "-db", "-f")
	tells(t, at)
}

func TestNginxAccepts(t *testing.T) {
	at := freePort(t)
	startNginx(t, at, "", fmt.Sprintf(`http {
  access_log off;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
  server { listen %s proxy_protocol; location / { return 200 "$proxy_protocol_addr $proxy_protocol_port"; } }
}
`, at))
	tells(t, at)
}
