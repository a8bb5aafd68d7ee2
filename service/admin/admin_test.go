package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zocalo/service/admin"
	"zocalo/socket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is two services whose figures a test changes.
type source struct {
	mu       sync.Mutex
	services []admin.Service
	pairs    []admin.Pair
}

func (s *source) Services() []admin.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]admin.Service(nil), s.services...)
}

func (s *source) Pairs(name string) []admin.Pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "web" {
		return nil
	}
	return append([]admin.Pair{}, s.pairs...)
}

func (s *source) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// serve starts a server on a loopback port, and returns its HOST:PORT.
func serve(t *testing.T, c admin.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := admin.New(c)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return l.Addr().String()
}

func newSource() *source {
	return &source{services: []admin.Service{{Name: "web", Verb: "relay", From: []string{"tcp:127.0.0.1:80"}}, {Name: "echo", Verb: "echo"}}}
}

// Who may ask what, with headers as browsers, scripts and attackers send them.
func TestWhoMayAsk(t *testing.T) {
	changed := 0
	token := admin.NewToken()
	at := serve(t, admin.Config{Source: newSource(), Token: token, Controls: admin.Controls{Drain: func(string) error { changed++; return nil }}})
	_, port, _ := net.SplitHostPort(at)
	const get, post = "GET /v1/status", "POST /v1/drain"
	bearer := "Authorization: Bearer " + token
	for _, c := range []struct {
		name, request string
		headers       []string
		status        int
	}{
		{"token", get, []string{bearer}, 200},
		{"localhost", get, []string{bearer, "Host: localhost:" + port}, 200},
		{"other spelling of the host", get, []string{bearer, "Host: LocalHost:" + port}, 200},
		{"no token", get, nil, 401},
		{"wrong token", get, []string{"Authorization: Bearer " + token[1:]}, 401},
		{"token as another scheme", get, []string{"Authorization: Basic " + token}, 401},
		{"token in the query", get + "?token=" + token, nil, 401},
		{"a name that resolves here", get, []string{bearer, "Host: evil.example:" + port}, 403},
		{"a host that begins alike", get, []string{bearer, "Host: 127.0.0.1.evil.example:" + port}, 403},
		{"another port", get, []string{bearer, "Host: 127.0.0.1:1"}, 403},
		{"no port", get, []string{bearer, "Host: 127.0.0.1"}, 403},
		{"another loopback address", get, []string{bearer, "Host: 127.0.0.2:" + port}, 403},
		{"the page for a strange host", "GET /", []string{"Host: evil.example"}, 403},
		{"the page", "GET /", nil, 200},
		{"its script", "GET /page.js", nil, 200},
		{"no file of ours", "GET /../admin.go", nil, 401},
		{"a change", post, []string{bearer}, 200},
		{"a change by the page", post, []string{bearer, "Origin: http://" + at, "Sec-Fetch-Site: same-origin"}, 200},
		{"a change by another site", post, []string{bearer, "Origin: http://evil.example"}, 403},
		{"by another port of this host", post, []string{bearer, "Origin: http://127.0.0.1:1"}, 403},
		{"by a sandboxed page", post, []string{bearer, "Origin: null"}, 403},
		{"by another scheme", post, []string{bearer, "Origin: https://" + at}, 403},
		{"by a browser that says cross-site", post, []string{bearer, "Sec-Fetch-Site: cross-site"}, 403},
		{"by a browser that says same-site", post, []string{bearer, "Sec-Fetch-Site: same-site"}, 403},
		{"a change without token", post, nil, 401},
		{"a change by GET", "GET /v1/drain", []string{bearer}, 404},
		{"by HEAD", "HEAD /v1/drain", []string{bearer}, 404},
		{"CORS asked for", "OPTIONS /v1/drain", []string{bearer, "Origin: http://evil.example"}, 403},
		{"no such request", "GET /v1/secrets", []string{bearer}, 404},
		{"not there", "POST /v1/reload", []string{bearer}, 501},
	} {
		t.Run(c.name, func(t *testing.T) {
			method, path, _ := strings.Cut(c.request, " ")
			before := changed
			r, err := http.NewRequest(method, "http://"+at+path, strings.NewReader(`{"service":"web"}`))
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range c.headers {
				name, value, _ := strings.Cut(h, ": ")
				if name == "Host" {
					r.Host = value
				}
				r.Header.Set(name, value)
			}
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			if a.StatusCode != c.status {
				t.Errorf("%s %v: %s, expected %d", c.request, c.headers, a.Status, c.status)
			}
			if did := changed != before; did != (c.request == post && c.status == 200) {
				t.Errorf("changed something: %v", did)
			}
			if a.Header.Get("Access-Control-Allow-Origin") != "" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("headers: %v", a.Header)
			}
		})
	}
}

// Connections that never ask for anything keep nobody out, and cut nobody off who may ask.
func TestSilentConnections(t *testing.T) {
	token := admin.NewToken()
	at := serve(t, admin.Config{Source: newSource(), Token: token})
	ask := func(c net.Conn) string {
		t.Helper()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "GET /v1/status HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", at, token)
		line, err := bufio.NewReaderSize(c, 16).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	first := dial()
	if line := ask(first); !strings.Contains(line, "200") {
		t.Fatal(line)
	}
	for range 200 {
		dial()
	}
	if line := ask(dial()); !strings.Contains(line, "200") {
		t.Error(line)
	}
	first.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	var late net.Error
	if _, err := io.Copy(io.Discard, first); !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("the connection of who may ask was cut: %v", err)
	}
}

// A server without a token serves unix sockets only.
// Names that a program gives its server are served, and no others with them.
func TestHosts(t *testing.T) {
	token := admin.NewToken()
	at := serve(t, admin.Config{Source: newSource(), Token: token, Hosts: []string{"Zocalo.example:9000"}})
	for host, want := range map[string]int{at: 200, "zocalo.example:9000": 200, "zocalo.example": 403, "evil.example:9000": 403, ":": 403} {
		r, err := http.NewRequest("GET", "http://"+at+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Host = host
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != want {
			t.Errorf("Host %q: %d, expected %d", host, a.StatusCode, want)
		}
	}
}

func TestIsHostPort(t *testing.T) {
	for at, want := range map[string]bool{"127.0.0.1:9000": true, "[::1]:9000": true, "h:http": true, "/run/x.admin": false, "/tmp/a:b": false, "./a:b": false, "x": false} {
		if got := admin.IsHostPort(at); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
}

func TestNoToken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := admin.New(admin.Config{Source: newSource()})
	defer s.Close()
	if err := s.Serve(l); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("served without a token: %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	drained := ""
	level := new(slog.LevelVar)
	s := admin.New(admin.Config{Source: newSource(), Version: "7", Controls: admin.Controls{
		Drain:  func(name string) error { drained = name; return nil },
		Eject:  func(string) error { return errors.New("no such upstream:\nthere is one") },
		Reload: func(context.Context) error { return nil },
		Level:  level,
	}})
	l, err := admin.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := admin.Listen(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second one: %v", err)
	}
	c := admin.NewClient(path, "")
	defer c.Close()
	ctx := t.Context()
	var status admin.Status
	if err := c.Get(ctx, "/v1/status", &status); err != nil || status.Version != "7" || len(status.Services) != 2 || status.PID != os.Getpid() {
		t.Errorf("status %+v, %v", status, err)
	}
	if err := c.Post(ctx, "/v1/drain", map[string]string{"service": "web"}); err != nil || drained != "web" {
		t.Errorf("drained %q, %v", drained, err)
	}
	if err := c.Post(ctx, "/v1/eject", map[string]string{"upstream": "x"}); err == nil || err.Error() != "no such upstream:; there is one" {
		t.Errorf("eject: %v", err)
	}
	if err := c.Post(ctx, "/v1/reload", nil); err != nil {
		t.Errorf("reload: %v", err)
	}
	if err := c.Post(ctx, "/v1/log-level", map[string]string{"level": "debug"}); err != nil || level.Level() != slog.LevelDebug {
		t.Errorf("level %v, %v", level.Level(), err)
	}
	for _, wrong := range []map[string]string{nil, {"level": "loud"}, {"level": "info", "more": "x"}} {
		if err := c.Post(ctx, "/v1/log-level", wrong); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
}

// A socket that a dead process left is replaced, and what is no socket is not touched.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := admin.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Listen(path); err == nil {
		t.Error("listens where a file is")
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file has %q", b)
	}
}

// event reads the next event of a stream.
func event(t *testing.T, in *bufio.Scanner) (name, data string) {
	t.Helper()
	for in.Scan() {
		switch line := in.Text(); {
		case strings.HasPrefix(line, "event: "):
			name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		case line == "" && name != "":
			return name, data
		}
	}
	t.Fatalf("the stream ended: %v", in.Err())
	return "", ""
}

// The stream tells first all, then what changes and no more.
func TestEvents(t *testing.T) {
	src := newSource()
	src.pairs = []admin.Pair{{Number: 1, Peer: "10.0.0.1:1", Began: time.UnixMilli(5)}, {Number: 2, Peer: "10.0.0.1:2", Target: "tcp:b:1"}}
	log := admin.NewLog(slog.NewTextHandler(io.Discard, nil))
	calls := admin.NewCalls()
	token := admin.NewToken()
	at := serve(t, admin.Config{Source: src, Token: token, Log: log, Calls: calls})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+at+"/v1/events?service=web", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	in := bufio.NewScanner(a.Body)
	in.Buffer(nil, 1<<20)
	next := func(name string, v any) {
		t.Helper()
		got, data := event(t, in)
		if got != name {
			t.Fatalf("event %s %s, expected %s", got, data, name)
		}
		if err := json.Unmarshal([]byte(data), v); err != nil {
			t.Fatal(err)
		}
	}
	type servicesData struct {
		Order   []string
		Changed []admin.Service
	}
	type pairsData struct {
		First        bool
		New, Changed [][]any
		Gone         []int64
	}
	var hello admin.Status
	next("hello", &hello)
	var s servicesData
	next("services", &s)
	if len(s.Order) != 2 || len(s.Changed) != 2 {
		t.Errorf("services at first: %+v", s)
	}
	var p pairsData
	next("pairs", &p)
	if !p.First || len(p.New) > 0 {
		t.Errorf("pairs at first: %+v", p)
	}
	p = pairsData{}
	next("pairs", &p)
	if len(p.New) != 2 || p.New[0][1] != "10.0.0.1:1" || p.New[0][3] != 5.0 || p.New[1][2] != "tcp:b:1" {
		t.Errorf("pairs: %+v", p)
	}
	src.set(func() {
		src.services = src.services[:1]
		src.services[0].Bytes[1] = 7
		src.pairs = []admin.Pair{{Number: 2, Peer: "10.0.0.1:2", Target: "tcp:b:1", Bytes: [2]int64{3, 4}}, {Number: 3}}
	})
	s = servicesData{}
	next("services", &s)
	if len(s.Order) != 1 || len(s.Changed) != 1 || s.Changed[0].Bytes[1] != 7 {
		t.Errorf("services changed: %+v", s)
	}
	p = pairsData{}
	next("pairs", &p)
	if p.First || len(p.New) != 1 || len(p.Changed) != 1 || p.Changed[0][2] != 3.0 || len(p.Gone) != 1 || p.Gone[0] != 1 {
		t.Errorf("pairs changed: %+v", p)
	}
	slog.New(log).With("service", "web").WithGroup("g").Warn("down", "why", errors.New("refused"))
	var lines []admin.LogLine
	next("log", &lines)
	if len(lines) != 1 || lines[0].Level != "WARN" || lines[0].Text != `msg=down service=web g.why=refused` {
		t.Errorf("log: %+v", lines)
	}
	calls.See(socket.Call{Name: "socket", FD: -1, Args: "AF_INET, SOCK_STREAM, 0", Result: 7})
	calls.See(socket.Call{Name: "bind", FD: 7, Args: "127.0.0.1:80"})
	calls.See(socket.Call{Name: "listen", FD: 7, Args: "SOMAXCONN"})
	calls.See(socket.Call{Name: "accept", FD: 7, Result: 9, Detail: "127.0.0.1:4000"})
	calls.See(socket.Call{Name: "close", FD: 9})
	calls.See(socket.Call{Name: "accept", FD: 7, Result: 9, Detail: "127.0.0.1:4001"})
	var traced []admin.TracedCall
	for len(traced) < 6 {
		var more []admin.TracedCall
		next("calls", &more)
		traced = append(traced, more...)
	}
	first, second := traced[3], traced[5]
	if first.Role != "accepted" || first.From != traced[0].Socket || first.Peer != "127.0.0.1:4000" || first.Local != "127.0.0.1:80" || second.Socket == first.Socket {
		t.Errorf("calls: %+v", traced)
	}
}

// All that is remembered is bounded, and the latest is what stays.
func TestBounded(t *testing.T) {
	log := admin.NewLog(slog.NewTextHandler(io.Discard, nil))
	calls := admin.NewCalls()
	for i := range 5000 {
		slog.New(log).Info(strings.Repeat("x", 5000), "i", i)
		calls.See(socket.Call{Name: "accept", FD: 3, Result: i + 10})
	}
	src := newSource()
	token := admin.NewToken()
	at := serve(t, admin.Config{Source: src, Token: token, Log: log, Calls: calls})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+at+"/v1/events", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	in := bufio.NewScanner(a.Body)
	in.Buffer(nil, 16<<20)
	for {
		name, data := event(t, in)
		switch name {
		case "log":
			var lines []admin.LogLine
			if json.Unmarshal([]byte(data), &lines); len(lines) != 200 || lines[199].ID != 5000 || len(lines[0].Text) > 2010 {
				t.Errorf("%d lines, the last %d", len(lines), lines[len(lines)-1].ID)
			}
		case "calls":
			var traced []admin.TracedCall
			if json.Unmarshal([]byte(data), &traced); len(traced) != 2000 || traced[1999].ID != 5000 {
				t.Errorf("%d calls", len(traced))
			}
			return
		}
	}
}

// What the page loads is little, and nothing of it is markup that text could become.
func TestPage(t *testing.T) {
	at := serve(t, admin.Config{Source: newSource(), Token: "x"})
	total := 0
	for _, path := range []string{"/", "/page.css", "/page.js", "/icon.svg"} {
		a, err := http.Get("http://" + at + path)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		n, err := bufio.NewReader(a.Body).WriteTo(&b)
		a.Body.Close()
		if err != nil || a.StatusCode != 200 {
			t.Errorf("%s: %s, %v", path, a.Status, err)
		}
		total += int(n)
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://"} {
			if strings.Contains(b.String(), bad) {
				t.Errorf("%s has %s", path, bad)
			}
		}
	}
	if total > 60_000 {
		t.Errorf("the page is %d bytes, and is to be under 60 KB", total)
	}
}
