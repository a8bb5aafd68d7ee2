package toxiproxy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo/internal/testenv"
	_ "zocalo/layer/tls"
	"zocalo/process"
	"zocalo/service/toxiproxy"
)

func TestMain(m *testing.M) { testenv.Main(m, http.DefaultClient.CloseIdleConnections) }

func serve(t *testing.T) string {
	t.Helper()
	s := toxiproxy.New(toxiproxy.Config{})
	h := httptest.NewServer(s)
	t.Cleanup(func() { h.Close(); s.Close(); http.DefaultClient.CloseIdleConnections() })
	return h.URL
}

// call makes a request "METHOD /path body", and returns status and body.
func call(t *testing.T, url, request string, headers ...string) (int, string) {
	t.Helper()
	words := strings.SplitN(request, " ", 3)
	body := ""
	if len(words) > 2 {
		body = words[2]
	}
	r, err := http.NewRequest(words[0], url+words[1], strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, strings.TrimSpace(string(b))
}

// echo listens and sends back what it reads; it closes after the peer has.
func echo(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(struct{ io.Writer }{c}, c); c.Close() }() // without the pipes that package net keeps for splice
		}
	}()
	return l
}

// Statuses and texts, as toxiproxy's source and a run of it show them.
func TestAnswers(t *testing.T) {
	url := serve(t)
	up := echo(t, "tcp", "127.0.0.1:0").Addr().String()
	taken := echo(t, "tcp", "127.0.0.1:0").Addr().String()
	for _, c := range []struct {
		request string
		status  int
		says    string
	}{
		{"GET /version", 200, `{"version":"2`},
		{"GET /metrics", 404, ""},
		{"GET /proxies", 200, `{}`},
		{`POST /proxies {"name":"a","upstream":"` + up + `","listen":"127.0.0.1:0"}`, 201, `"enabled":true,"toxics":[]}`},
		{`POST /proxies {"name":"a","upstream":"` + up + `"}`, 409, `{"error":"proxy already exists","status":409}`},
		{`POST /proxies {"name":"b"}`, 400, `{"error":"missing required field: upstream","status":400}`},
		{`POST /proxies {"name":"o","listen":"tcp-listen:0,once","upstream":"x:1"}`, 400, `a proxy takes any number`},
		{`POST /proxies {"upstream":"x:1"}`, 400, `{"error":"missing required field: name","status":400}`},
		{`POST /proxies {`, 400, `"status":400`},
		{`POST /proxies {"name":"b","upstream":"` + up + `","listen":"` + taken + `"}`, 500, `address already in use`},
		{"GET /proxies/b", 404, `{"error":"proxy not found","status":404}`},
		{`POST /proxies {"name":"off","upstream":"` + up + `","listen":"127.0.0.1:0","enabled":false}`, 201, `"enabled":false`},
		{"GET /proxies/a/toxics", 200, `[]`},
		{`POST /proxies/a/toxics {"type":"latency","attributes":{"latency":20}}`, 200, `{"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1,"attributes":{"jitter":0,"latency":20}}`},
		{`POST /proxies/a/toxics {"type":"latency"}`, 409, `{"error":"toxic already exists","status":409}`},
		{`POST /proxies/a/toxics {"type":"magic"}`, 400, `{"error":"invalid toxic type","status":400}`},
		{`POST /proxies/a/toxics {"type":"latency","stream":"sideways"}`, 400, `"error":"stream was invalid`},
		{`POST /proxies/a/toxics {"type":"latency","attributes":{"latency":"much"}}`, 400, `"error":"bad request body`},
		{`POST /proxies/a/toxics {"name":"s","type":"slicer","stream":"Upstream","toxicity":0.5,"attributes":{"average_size":9,"colour":1}}`, 200, `"stream":"upstream","toxicity":0.5,"attributes":{"average_size":9,"delay":0,"size_variation":0}`},
		{"GET /proxies/a/toxics/none", 404, `{"error":"toxic not found","status":404}`},
		{`PATCH /proxies/a/toxics/s {"toxicity":0.25,"name":"other","type":"timeout"}`, 200, `"name":"s","type":"slicer"`},
		{`POST /proxies/a/toxics/s {"attributes":{"average_size":3}}`, 200, `"toxicity":0.25,"attributes":{"average_size":3`},
		{"GET /proxies/a/toxics/s", 200, `"average_size":3`},
		{"DELETE /proxies/a/toxics/s", 204, ``},
		{"DELETE /proxies/a/toxics/s", 404, `toxic not found`},
		{`PATCH /proxies/a {"enabled":false}`, 200, `"enabled":false`},
		{"GET /proxies/a", 200, `"enabled":false,"toxics":[{"name":"latency_downstream"`},
		{"POST /reset", 204, ``},
		{"GET /proxies/a", 200, `"enabled":true,"toxics":[]`},
		{"GET /proxies/off", 200, `"enabled":true`},
		{`POST /populate [{"name":"a","upstream":"` + up + `","listen":"127.0.0.1:0"},{"name":"c","upstream":"` + up + `"}]`, 201, `{"proxies":[{"name":"a"`},
		{`POST /populate [{"name":"d","upstream":"` + up + `"},{"name":"e","upstream":"` + up + `","listen":"` + taken + `"}]`, 500, `"proxies":[{"name":"d"`},
		{`POST /populate [{"name":"f"}]`, 400, `missing required field: upstream at proxy 1`},
		{"DELETE /proxies/a", 204, ``},
		{"DELETE /proxies/a", 404, `proxy not found`},
	} {
		status, says := call(t, url, c.request)
		if status != c.status || !strings.Contains(says, c.says) {
			t.Errorf("%s: %d %s, expected %d %s", c.request, status, says, c.status, c.says)
		}
	}
}

// Who may ask: no browser, no name that a stranger can make resolve here.
func TestStrangers(t *testing.T) {
	url := serve(t)
	for _, c := range []struct {
		header string
		status int
	}{
		{"User-Agent: Mozilla/5.0 (X11)", 403}, {"User-Agent: curl/8", 200}, {"User-Agent: Go-http-client/1.1", 200},
		{"Host: evil.example:8474", 403}, {"Host: localhost:8474", 200}, {"Host: toxiproxy:8474", 200}, {"Host: [::1]", 200}, {"Host: 127.0.0.1.evil.example", 403},
	} {
		if status, says := call(t, url, "GET /proxies", c.header); status != c.status {
			t.Errorf("%s: %d %s", c.header, status, says)
		}
	}
}

// made makes a proxy and returns where it listens.
func made(t *testing.T, url, name, listen, upstream string) string {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"name": name, "listen": listen, "upstream": upstream})
	status, says := call(t, url, "POST /proxies "+string(body))
	var p toxiproxy.Proxy
	if err := json.Unmarshal([]byte(says), &p); status != 201 || err != nil {
		t.Fatalf("%d %s", status, says)
	}
	return p.Listen
}

// Toxics come, change and go while a connection is open, and a half-closed one gets its answer.
func TestOpenConnection(t *testing.T) {
	url := serve(t)
	at := made(t, url, "p", "127.0.0.1:0", echo(t, "tcp", "127.0.0.1:0").Addr().String())
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	trip := func() time.Duration {
		t.Helper()
		began := time.Now()
		c.SetDeadline(began.Add(20 * time.Second))
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
			t.Fatalf("%q, %v", b, err)
		}
		return time.Since(began)
	}
	trip()
	call(t, url, `POST /proxies/p/toxics {"name":"slow","type":"latency","attributes":{"latency":150}}`)
	call(t, url, `POST /proxies/p/toxics {"name":"up","type":"latency","stream":"upstream","attributes":{"latency":150}}`)
	if took := trip(); took < 300*time.Millisecond {
		t.Errorf("two latencies of 150 ms took %v", took)
	}
	call(t, url, `POST /proxies/p/toxics/slow {"attributes":{"latency":1}}`)
	call(t, url, `DELETE /proxies/p/toxics/up`)
	trip()
	// timeout 0 lets everything disappear, and closes what is open when it is removed
	call(t, url, `POST /proxies/p/toxics {"name":"gone","type":"timeout","attributes":{"timeout":0}}`)
	c.Write([]byte("lost"))
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	var timeout net.Error
	if n, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%d bytes came through a timeout, %v", n, err)
	}
	call(t, url, `DELETE /proxies/p/toxics/gone`)
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the connection is still open: %v", err)
	}

	half, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	half.SetDeadline(time.Now().Add(20 * time.Second))
	half.Write([]byte("question"))
	half.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(half); err != nil || string(b) != "question" {
		t.Errorf("after half-close: %q, %v", b, err)
	}
}

// A changed upstream drops connections and takes new ones; a disabled proxy refuses, and
// listens on the same port when it is enabled again.
func TestChangedProxy(t *testing.T) {
	url := serve(t)
	first, second := echo(t, "tcp", "127.0.0.1:0").Addr().String(), echo(t, "tcp", "127.0.0.1:0").Addr().String()
	at := made(t, url, "p", "127.0.0.1:0", first)
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if status, says := call(t, url, `POST /proxies/p {"upstream":"`+second+`"}`); status != 200 || !strings.Contains(says, second) {
		t.Errorf("%d %s", status, says)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection was not dropped")
	}
	call(t, url, `POST /proxies/p {"enabled":false}`)
	if c, err := net.Dial("tcp", at); err == nil {
		c.Close()
		t.Error("a disabled proxy accepts")
	}
	if _, says := call(t, url, `POST /proxies/p {"enabled":true}`); !strings.Contains(says, at) {
		t.Errorf("enabled again, it listens elsewhere than %s: %s", at, says)
	}
}

// What toxiproxy does not do: unix sockets and datagrams.
func TestBeyond(t *testing.T) {
	url := serve(t)
	dir := t.TempDir()
	echo(t, "unix", filepath.Join(dir, "up"))
	made(t, url, "u", "unix-listen:"+filepath.Join(dir, "down"), "unix:"+filepath.Join(dir, "up"))
	c, err := net.Dial("unix", filepath.Join(dir, "down"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	c.Write([]byte("x"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Error(err)
	}

	up, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	at := made(t, url, "d", "udp-listen:127.0.0.1:0", "udp:"+up.LocalAddr().String())
	call(t, url, `POST /proxies/d/toxics {"type":"latency","stream":"upstream","attributes":{"latency":100}}`)
	d, err := net.Dial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	began := time.Now()
	d.Write([]byte("datagram"))
	up.SetReadDeadline(began.Add(20 * time.Second))
	b := make([]byte, 100)
	n, _, err := up.ReadFrom(b)
	if err != nil || !bytes.Equal(b[:n], []byte("datagram")) || time.Since(began) < 100*time.Millisecond {
		t.Errorf("%q after %v, %v", b[:n], time.Since(began), err)
	}
}

// The API has no authentication: nobody can run programs or reach files by it.
func TestOnlySockets(t *testing.T) {
	process.Register()
	url := serve(t)
	made(t, url, "p", "127.0.0.1:0", "127.0.0.1:1")
	for _, upstream := range []string{
		"exec:id", "shell:id", "pty:", "file:/tmp/x,create", "pipe:/tmp/x", "stdio", "fd:0",
		"tls:127.0.0.1:1,keylog=/tmp/x", "tls:127.0.0.1:1,ca=/etc/passwd",
	} {
		body, _ := json.Marshal(map[string]string{"name": "bad", "listen": "127.0.0.1:0", "upstream": upstream})
		for _, request := range []string{"POST /proxies ", "POST /proxies/p "} {
			if status, said := call(t, url, request+string(body)); status != 400 || !strings.Contains(said, "this API takes no") {
				t.Errorf("%s%s: %d %s", request, body, status, said)
			}
		}
	}
	body := `{"name":"bad","listen":"tls-listen:127.0.0.1:0,cert=/etc/passwd","upstream":"127.0.0.1:1"}`
	if status, said := call(t, url, "POST /proxies "+body); status != 400 {
		t.Errorf("%s: %d %s", body, status, said)
	}
	if _, all := call(t, url, "GET /proxies"); strings.Contains(all, "bad") || !strings.Contains(all, `"upstream":"127.0.0.1:1"`) {
		t.Errorf("refused ones left something: %s", all)
	}
}
