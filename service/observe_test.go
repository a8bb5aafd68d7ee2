package service_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"zocalo/internal/testenv"
	"zocalo/service"
)

// scrape returns the metrics of a Set.
func (r *running) scrape() string {
	r.t.Helper()
	at := r.Status().Metrics
	_, hostPort, _ := strings.Cut(at, ":")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + hostPort + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// figure is the value of a series, -1 where there is none.
func (r *running) figure(series string) float64 {
	r.t.Helper()
	_, after, found := strings.Cut(r.scrape(), "\n"+series+" ")
	if !found {
		return -1
	}
	line, _, _ := strings.Cut(after, "\n")
	v, err := strconv.ParseFloat(line, 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// lines are those of an access log, by service.
func lines(t *testing.T, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	count := map[string]int{}
	for line := range bytes.Lines(text) {
		var pair struct {
			Service, Peer, How string
			Sent               struct{ Bytes int64 }
		}
		if err := json.Unmarshal(line, &pair); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if pair.Peer == "" || pair.How != "finished" {
			t.Errorf("a line is %s", line)
		}
		count[pair.Service]++
	}
	return count
}

// talkTo has a whole conversation.
func talkTo(t *testing.T, at string) {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).CloseWrite()
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
}

// All verbs are counted, and their pairs written down.
func TestMetricsAndAccessLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	r := start(t, `
metrics = "127.0.0.1:0"
[defaults]
access-log = "`+log+`"
[service.echo]
verb = "echo"
from = "tcp:127.0.0.1:0"
[service.relay]
from = "tcp-listen:127.0.0.1:0"
to = [{ address = "`+banner(t, "one")+`" }, "`+banner(t, "two")+`"]
[service.plain]
from = "tcp-listen:127.0.0.1:0"
to = "`+banner(t, "one")+`"
[service.cat]
from = "tcp-listen:127.0.0.1:0"
command = ["cat"]
`)
	names := []string{"echo", "relay", "plain", "cat"}
	for _, name := range names {
		for range 3 {
			talkTo(t, r.where(name))
		}
	}
	waitFor(t, func() bool {
		count := lines(t, log)
		return count["echo"] == 3 && count["relay"] == 3 && count["plain"] == 3 && count["cat"] == 3
	})
	for _, name := range names {
		waitFor(t, func() bool { return r.figure(`zocalo_connections_total{service="`+name+`",result="finished"}`) == 3 })
		if n := r.figure(`zocalo_bytes_total{service="` + name + `",direction="sent"}`); n != 15 && name != "cat" {
			t.Errorf("%s: %v bytes were sent", name, n)
		}
		if n := r.figure(`zocalo_connections_open{service="` + name + `"}`); n != 0 {
			t.Errorf("%s: %v are open", name, n)
		}
	}
	if n := r.figure(`zocalo_connect_seconds_count{service="relay"}`); n != 3 {
		t.Errorf("%v were reached", n)
	}
	text := r.scrape()
	if strings.Count(text, "zocalo_upstream_up{service=\"relay\"") != 2 || strings.Contains(text, `zocalo_upstream_up{service="plain"`) {
		t.Errorf("upstreams: %s", text)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		promtool = testenv.Program(t, "promtool")
	}
	c := exec.Command(promtool, "check", "metrics")
	c.Stdin = strings.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v: %s", err, out)
	}
}

// Metrics and access logs come, go and change by a reload, and a reload that cannot
// open them changes nothing.
func TestObserversByReload(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	at := banner(t, "one")
	text := func(top, more string) string {
		return top + "\n[service.a]\nfrom = \"tcp-listen:127.0.0.1:0\"\nto = \"" + at + "\"\n" + more
	}
	r := start(t, text("", ""))
	open := dial(t, r.where("a"))
	open.expect(t, "one")

	// Nobody heard of its pairs: it takes another run.
	if change := r.reload(text("", `access-log = "`+one+`"`)); len(change.Replaced) != 1 {
		t.Fatal(change)
	}
	talkTo(t, r.where("a"))
	waitFor(t, func() bool { return lines(t, one)["a"] == 1 })
	if change := r.reload(text("metrics = \"127.0.0.1:0\"", `access-log = "`+two+`"`)); len(change.Changed) != 1 {
		t.Fatal(change)
	}
	talkTo(t, r.where("a"))
	waitFor(t, func() bool {
		return lines(t, two)["a"] == 1 && r.figure(`zocalo_connections_total{service="a",result="finished"}`) == 1
	})
	if n := lines(t, one)["a"]; n != 1 {
		t.Errorf("%d lines are in the log that was left", n)
	}

	before := r.Status().Metrics
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, wrong := range []string{
		text("metrics = \"127.0.0.1:0\"", `access-log = "`+filepath.Join(dir, "no", "log")+`"`),
		text("metrics = \""+taken.Addr().String()+"\"", `access-log = "`+one+`"`),
	} {
		if _, err := r.Reload(config(t, wrong)); err == nil {
			t.Errorf("it was reloaded with %s", wrong)
		}
	}
	talkTo(t, r.where("a"))
	waitFor(t, func() bool { return lines(t, two)["a"] == 2 })
	if r.Status().Metrics != before || r.figure("zocalo_reload_last_successful") != 0 || r.figure(`zocalo_reloads_total{result="refused"}`) != 2 {
		t.Errorf("after two that were refused: %s", r.scrape())
	}

	// Rotated.
	if err := os.Rename(two, two+".1"); err != nil {
		t.Fatal(err)
	}
	r.ReopenLogs()
	talkTo(t, r.where("a"))
	waitFor(t, func() bool { return lines(t, two)["a"] == 1 })

	if change := r.reload(text("", "")); len(change.Replaced) != 1 || r.Status().Metrics != "" {
		t.Fatal(change)
	}
	talkTo(t, r.where("a"))
	open.alive(t)
}

// A log of a service that was removed is kept until its last pair is over.
func TestLogOfRemoved(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	other := "[service.b]\nverb = \"echo\"\nfrom = \"tcp:127.0.0.1:0\"\n"
	r := start(t, other+"[service.a]\nfrom = \"tcp-listen:127.0.0.1:0\"\nto = \""+banner(t, "one")+"\"\ndrain = \"1h\"\naccess-log = \""+log+"\"\n")
	c, err := net.Dial("tcp", r.where("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.ReadFull(c, make([]byte, 3))
	if change := r.reload(other); len(change.Removed) != 1 {
		t.Fatal(change)
	}
	c.(*net.TCPConn).CloseWrite()
	io.ReadAll(c)
	waitFor(t, func() bool { return lines(t, log)["a"] == 1 })
	waitFor(t, func() bool { return len(r.Status().Services) == 1 })
}

// What is wrong with them is said by the check of a file.
func TestWrongObservers(t *testing.T) {
	_, err := service.Parse("x.toml", []byte(`
metrics = "tcp:127.0.0.1:9100,nodelay=x"
[service.a]
verb = "echo"
from = "tcp:127.0.0.1:0"
access-log = "syslog:tpc:x:1"
[service.b]
verb = "echo"
from = "tcp:127.0.0.1:0"
access-lag = "x"
`))
	var problems service.Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Fatalf("the problems are %v", err)
	}
	for i, want := range []string{"x.toml:2:11: metrics: ", "x.toml:6:", "did you mean access-log?"} {
		if !strings.Contains(problems[i].String(), want) {
			t.Errorf("the problem is %s, want %s", problems[i], want)
		}
	}
}
