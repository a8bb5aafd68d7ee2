package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/service/admin"
	"zocalo/socket"
)

// crowd is a service of 10 000 pairs, a thousand of which change every second.
type crowd struct {
	began time.Time
	pairs []admin.Pair
}

func newCrowd() *crowd {
	c := &crowd{began: time.Now()}
	for i := range 10_000 {
		c.pairs = append(c.pairs, admin.Pair{Number: int64(i + 1), Peer: fmt.Sprintf("10.0.%d.%d:%d", i/256, i%256, 40_000+i), Target: "tcp:127.0.0.1:5432", Began: c.began})
	}
	c.pairs[4000].Peer = `<img src=x onerror=alert(1)>`
	return c
}

// Services tell in Ended the time of day in milliseconds, by which the page is found to lag.
func (c *crowd) Services() []admin.Service {
	n := time.Since(c.began).Milliseconds()
	return []admin.Service{{Name: "web", Verb: "relay", From: []string{"tcp:127.0.0.1:8080"}, Engine: "streams", Open: len(c.pairs),
		Ended: time.Now().UnixMilli() % 100_000_000, Bytes: [2]int64{n * 1000, n * 3000},
		Upstreams: []admin.Upstream{{Address: "tcp:127.0.0.1:5432", Up: true, Open: 9000, Total: 70_000}, {Address: "tcp:127.0.0.1:5433", Why: "connection refused", Failed: 3}}}}
}

func (c *crowd) Pairs(string) []admin.Pair {
	pairs := append([]admin.Pair(nil), c.pairs...)
	n := int(time.Since(c.began).Milliseconds()) // of changes so far
	for i := range pairs {
		times := n / len(pairs)
		if i < n%len(pairs) {
			times++
		}
		pairs[i].Bytes = [2]int64{int64(times) * 100, int64(times) * 1000}
	}
	return pairs
}

// The page in Chromium: painted at once, sorted, filtered and used by keyboard with 10 000
// pairs and a thousand changes a second, in both languages and themes, at a phone's width.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("short: it starts a browser")
	}
	node := testenv.Program(t, "node")
	chromium := testenv.Program(t, "chromium")
	global, err := exec.Command("npm", "root", "--global").Output()
	if err != nil {
		t.Skipf("no npm: %v", err)
	}
	playwright := filepath.Join(strings.TrimSpace(string(global)), "playwright-core", "index.js")
	if _, err := os.Stat(playwright); err != nil {
		t.Skip("no playwright-core: npm install --global playwright-core")
	}
	calls := admin.NewCalls()
	calls.See(socket.Call{Name: "socket", FD: -1, Args: "AF_INET, SOCK_STREAM, 0", Result: 7})
	calls.See(socket.Call{Name: "bind", FD: 7, Args: "127.0.0.1:8080"})
	calls.See(socket.Call{Name: "listen", FD: 7, Args: "SOMAXCONN"})
	calls.See(socket.Call{Name: "accept", FD: 7, Result: 9, Detail: "10.0.0.7:40007"})
	calls.See(socket.Call{Name: "read", FD: 9, Args: "65536", Result: 5})
	calls.See(socket.Call{Name: "write", FD: 9, Args: "6", Result: 6})
	token := admin.NewToken()
	at := serve(t, admin.Config{Source: newCrowd(), Token: token, Calls: calls, Version: "test"})
	folder := t.TempDir()
	if keep := os.Getenv("ZOCALO_SCREENSHOTS"); keep != "" {
		folder = keep // to look at them
	}
	cmd := exec.CommandContext(t.Context(), node, "testdata/browser.mjs", playwright, chromium, "http://"+at+"/#token="+token, folder)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, said.Bytes())
	}
	var saw struct {
		Paint                             float64
		Hash, Sorted, Filtered, Hostile   string
		Rows, Markup                      int
		Title, Picture, Lang, Dark, Light string
		English                           string
		Scrolled, Hidden, Asked           bool
		Behind                            []int64
		Overflow                          int
		Faults                            []string
	}
	if err := json.Unmarshal(out, &saw); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("first paint after %.0f ms, behind by %v ms", saw.Paint, saw.Behind)
	for _, c := range []struct {
		is   bool
		what string
	}{
		{!strings.Contains(saw.Hash, token), "the token stays in the URL: " + saw.Hash},
		{saw.Rows > 5 && saw.Rows < 60, fmt.Sprintf("%d rows exist of 10 000", saw.Rows)},
		{strings.HasPrefix(saw.Sorted, "10.0.0.0:") || strings.HasPrefix(saw.Sorted, "<img"), "sorted by peer, the first is " + saw.Sorted},
		{strings.Contains(saw.Filtered, "16 of 10,000"), "filtered: " + saw.Filtered},
		{strings.Contains(saw.Hostile, "<img src=x") && saw.Markup == 0, "a peer's name became markup"},
		{saw.Title == "Connection 9999", "the second row is " + saw.Title},
		{saw.Scrolled && saw.Hidden, "End or Escape did nothing"},
		{strings.Contains(saw.Picture, "accept(7) = 9, 10.0.0.7:40007") && strings.Contains(saw.Picture, "connect()") && strings.Contains(saw.Picture, "read() = 6"), "picture: " + saw.Picture},
		{saw.Lang == "es" && saw.English == "Services", "languages: " + saw.Lang + ", " + saw.English},
		{saw.Overflow <= 0, fmt.Sprintf("at a phone's width the page is %d pixels too wide", saw.Overflow)},
		{saw.Dark != saw.Light, "dark and light are alike: " + saw.Dark},
		{saw.Asked, "without a token the page does not ask for one"},
	} {
		if !c.is {
			t.Error(c.what)
		}
	}
	for _, f := range saw.Faults {
		t.Errorf("the browser says: %s", f)
	}
	for _, ms := range saw.Behind {
		if ms > 10_000 { // it would be growing: a tick is half a second
			t.Errorf("what is shown is %d ms old", ms)
		}
	}
}
