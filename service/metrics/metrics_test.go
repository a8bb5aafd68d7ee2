package metrics

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/poll"
	"zocalo/internal/testenv"
	"zocalo/relay"
	"zocalo/service/upstream"
)

func TestMain(m *testing.M) { testenv.Main(m, poll.ClosePipes) }

const patience = 30 * time.Second

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	testenv.Await(t, what, holds)
}

// full has a bit of everything.
func full() *Registry {
	state := State{
		Reloads: 3, ReloadsRefused: 1, Reloaded: time.Unix(1_700_000_000, 500_000_000), Lost: map[string]int64{"journal": 2, "access": 0}, Version: "1.0",
	}
	for _, name := range []string{"db", "web \"quoted\"\\\nname"} {
		s := ServiceState{Name: name, Verb: "relay", Up: true, Pool: &upstream.Status{
			Unresolved: map[string]string{"tcp:db.example:5432": "no such host"},
			Servers: []upstream.ServerStatus{
				{Address: "tcp:10.0.0.1:5432", Health: upstream.Up, Share: 0.55, Open: 3, Total: 10, Sent: 5, Received: 6, LastCheck: time.Now(), LastCheckTook: 1500 * time.Microsecond},
				{Address: "tcp:10.0.0.2:5432", Health: upstream.Down, Failed: 4},
				{Address: "tcp:[2001:db8::2]:5432", Health: upstream.Down, Other: true},
			},
		}}
		s.Totals.Open, s.Totals.Dropped = 7, 2
		s.Totals.From[relay.A].Bytes = 1 << 60
		state.Services = append(state.Services, s)
	}
	state.Services = append(state.Services, ServiceState{Name: "echo", Verb: "echo"})
	r := New(func() State { return state })
	for _, s := range state.Services {
		one := r.Service(s.Name)
		for how := relay.Finished; how <= relay.Failed; how++ {
			one.Ended(relay.Pair{Peer: "203.0.113.7:4711", Result: relay.Result{How: how, Duration: time.Duration(how) * time.Second}})
		}
		one.Reached(1, relay.Attempt{Took: time.Millisecond})
		one.Reached(2, relay.Attempt{Err: io.EOF})
	}
	return r
}

// Debian's promtool has nothing to say against the text.
func TestPromtool(t *testing.T) {
	program := testenv.Program(t, "promtool")
	for name, r := range map[string]*Registry{"full": full(), "empty": New(nil)} {
		t.Run(name, func(t *testing.T) {
			c := exec.Command(program, "check", "metrics")
			c.Stdin = bytes.NewReader(r.Append(nil))
			if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// The figures are those that there are, under their names, and no peer is among them.
func TestFigures(t *testing.T) {
	text := string(full().Append(nil))
	for _, line := range []string{
		`zocalo_service_up{service="db",verb="relay"} 1`,
		`zocalo_service_up{service="echo",verb="echo"} 0`,
		`zocalo_connections_open{service="db"} 7`,
		`zocalo_connections_total{service="db",result="lifetime"} 1`,
		`zocalo_connections_total{service="web \"quoted\"\\\nname",result="failed"} 1`,
		`zocalo_bytes_total{service="db",direction="sent"} 1.152921504606847e+18`,
		`zocalo_bytes_total{service="db",direction="received"} 0`,
		`zocalo_connection_seconds_bucket{service="db",le="0.001"} 1`,
		`zocalo_connection_seconds_bucket{service="db",le="1"} 2`,
		`zocalo_connection_seconds_bucket{service="db",le="5"} 6`,
		`zocalo_connection_seconds_bucket{service="db",le="+Inf"} 6`,
		`zocalo_connection_seconds_sum{service="db"} 15`,
		`zocalo_connection_seconds_count{service="db"} 6`,
		`zocalo_connect_seconds_bucket{service="db",le="0.001"} 1`,
		`zocalo_connect_failures_total{service="db"} 1`,
		`zocalo_upstream_up{service="db",upstream="tcp:10.0.0.1:5432"} 1`,
		`zocalo_upstream_up{service="db",upstream="tcp:10.0.0.2:5432"} 0`,
		`zocalo_upstream_weight_ratio{service="db",upstream="tcp:10.0.0.1:5432"} 0.55`,
		`zocalo_upstream_bytes_total{service="db",upstream="tcp:10.0.0.1:5432",direction="received"} 6`,
		`zocalo_upstream_check_duration_seconds{service="db",upstream="tcp:10.0.0.1:5432"} 0.0015`,
		`zocalo_upstream_lookup_failing{service="db",upstream="tcp:db.example:5432"} 1`,
		`zocalo_reloads_total{result="done"} 3`,
		`zocalo_reload_last_success_timestamp_seconds 1.7000000005e+09`,
		`zocalo_reload_last_successful 0`,
		`zocalo_log_lines_lost_total{log="journal"} 2`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("it lacks %s", line)
		}
	}
	if strings.Contains(text, "2001:db8") {
		t.Error("it has an address of a family that cannot be reached")
	}
	if strings.Contains(text, "203.0.113.7") {
		t.Error("it has the address of a peer")
	}
	if t.Failed() {
		t.Log(text)
	}
	r := full()
	r.Remove("db")
	if strings.Contains(string(r.Append(nil)), `zocalo_connections_total{service="db"`) {
		t.Error("a service that is gone is there")
	}
}

// sample is the value of a series in a text.
func sample(t *testing.T, text, series string) float64 {
	t.Helper()
	_, after, found := strings.Cut("\n"+text, "\n"+series+" ")
	if !found {
		t.Fatalf("there is no %s in\n%s", series, text)
	}
	line, _, _ := strings.Cut(after, "\n")
	v, err := strconv.ParseFloat(line, 64)
	try(t, err)
	return v
}

// What this process has is about right.
func TestProcess(t *testing.T) {
	text := string(New(nil).Append(nil))
	if n := sample(t, text, "go_goroutines"); n < 2 || n > 1000 {
		t.Errorf("%v goroutines", n)
	}
	if at := time.Unix(int64(sample(t, text, "process_start_time_seconds")), 0); time.Since(at) > time.Hour || time.Until(at) > time.Minute {
		t.Errorf("it began at %v", at)
	}
	if runtime.GOOS != "linux" {
		return
	}
	before := sample(t, text, "process_open_fds")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	defer l.Close()
	for range 10 {
		c, err := net.Dial("tcp", l.Addr().String())
		try(t, err)
		defer c.Close()
	}
	text = string(New(nil).Append(nil))
	if n := sample(t, text, "process_open_fds") - before; n < 11 || n > 20 {
		t.Errorf("%v more descriptors are open", n)
	}
	if n := sample(t, text, "process_resident_memory_bytes"); n < 1<<20 || n > 1<<34 {
		t.Errorf("%v bytes are resident", n)
	}
	if n := sample(t, text, "process_max_fds"); n < 20 {
		t.Errorf("%v descriptors may be open", n)
	}
}

// It is read over HTTP, and only read.
func TestHTTP(t *testing.T) {
	s := httptest.NewServer(full())
	defer s.Close()
	answer, err := http.Get(s.URL + "/metrics")
	try(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	try(t, err)
	if answer.StatusCode != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain; version=0.0.4") || !bytes.Contains(text, []byte("zocalo_bytes_total")) {
		t.Errorf("the answer is %v %v", answer.Status, answer.Header)
	}
	posted, err := http.Post(s.URL, "text/plain", nil)
	try(t, err)
	posted.Body.Close()
	if posted.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST is answered by %v", posted.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}

// Served by itself it answers at /metrics alone, to a bounded number, and ends in time.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- full().Serve(ctx, l) }()
	at := "http://" + l.Addr().String()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/metrics": 200, "/": 200, "/else": 404} {
		answer, err := client.Get(at + path)
		try(t, err)
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != want || path == "/metrics" && !bytes.Contains(text, []byte("zocalo_service_up")) {
			t.Errorf("%s: %v %.200s", path, answer.Status, text)
		}
	}
	for range 2 * maxScrapers { // who say nothing
		c, err := net.Dial("tcp", l.Addr().String())
		try(t, err)
		defer c.Close()
	}
	stop()
	try(t, <-done)
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it listens yet")
	}
}

// A real relay, of which pairs end in several ways.
func TestRelay(t *testing.T) {
	back, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, err)
	defer back.Close()
	go func() {
		for {
			c, err := back.Accept()
			if err != nil {
				return
			}
			go func() {
				b, _ := io.ReadAll(c)
				if string(b) == "reset" {
					c.(*net.TCPConn).SetLinger(0)
				} else {
					c.Write(b)
				}
				c.Close()
			}()
		}
	}()
	from, err := address.Parse("tcp-listen:127.0.0.1:0")
	try(t, err)
	to, err := address.Parse("tcp:" + back.Addr().String())
	try(t, err)
	r := &relay.Relay{Config: relay.Config{From: from, To: []address.Address{to}}}
	registry := New(func() State {
		return State{Services: []ServiceState{{Name: "web", Verb: "relay", Up: true, Totals: r.Totals()}}}
	})
	web := registry.Service("web")
	r.Ended, r.Reached = web.Ended, web.Reached
	at := make(chan string, 1)
	r.Listening = func(l *zocalo.Listener, _ address.Address) error {
		at <- l.Name().String()
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	defer func() {
		stop()
		try(t, <-done)
	}()
	listens := <-at
	for _, say := range []string{"one", "two", "three", "reset"} {
		c, err := net.Dial("tcp", listens)
		try(t, err)
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, say)
		c.(*net.TCPConn).CloseWrite()
		io.ReadAll(c)
		c.Close()
	}
	var text string
	value := func(series string) float64 { return sample(t, text, series) }
	await(t, "all have ended", func() bool {
		text = string(registry.Append(nil))
		counted := value(`zocalo_connections_total{service="web",result="finished"}`) + value(`zocalo_connections_total{service="web",result="reset"}`)
		return value(`zocalo_connection_seconds_count{service="web"}`) == 4 && counted == 4 // which are not counted in one step
	})
	if f, r := value(`zocalo_connections_total{service="web",result="finished"}`), value(`zocalo_connections_total{service="web",result="reset"}`); f != 3 || r != 1 {
		t.Errorf("%v finished and %v were reset", f, r)
	}
	if s, r := value(`zocalo_bytes_total{service="web",direction="sent"}`), value(`zocalo_bytes_total{service="web",direction="received"}`); s != 16 || r != 11 {
		t.Errorf("%v bytes were sent and %v received", s, r)
	}
	if n := value(`zocalo_connect_seconds_count{service="web"}`); n != 4 {
		t.Errorf("%v were reached", n)
	}
}

// To be told of a pair takes no memory.
func TestAllocates(t *testing.T) {
	s := New(nil).Service("x")
	if n := testing.AllocsPerRun(100, func() {
		s.Ended(relay.Pair{Result: relay.Result{Duration: time.Second}})
		s.Reached(1, relay.Attempt{Took: time.Second})
	}); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}

func BenchmarkEnded(b *testing.B) {
	s := New(nil).Service("x")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Ended(relay.Pair{Result: relay.Result{Duration: time.Second}})
		}
	})
}

// A scrape of 100 services with 10 upstreams each.
func BenchmarkScrape(b *testing.B) {
	var state State
	for i := range 100 {
		s := ServiceState{Name: fmt.Sprint("service", i), Pool: &upstream.Status{}}
		for j := range 10 {
			s.Pool.Servers = append(s.Pool.Servers, upstream.ServerStatus{Address: fmt.Sprintf("tcp:10.0.%d.%d:80", i, j)})
		}
		state.Services = append(state.Services, s)
	}
	r := New(func() State { return state })
	for _, s := range state.Services {
		r.Service(s.Name)
	}
	var text []byte
	for b.Loop() {
		text = r.Append(text[:0])
	}
	b.ReportMetric(float64(len(text)), "bytes")
}
