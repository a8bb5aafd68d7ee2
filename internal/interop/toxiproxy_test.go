package interop

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	toxic "github.com/Shopify/toxiproxy/v2/client"

	"zocalo/internal/testenv"
	"zocalo/service/toxiproxy"
)

// toxiproxyAt serves the API and a line echo, and returns where both are.
func toxiproxyAt(t *testing.T) (api, upstream string) {
	t.Helper()
	s := toxiproxy.New(toxiproxy.Config{})
	h := httptest.NewServer(s)
	t.Cleanup(func() { h.Close(); s.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			go func() {
				defer c.Close()
				io.Copy(struct{ io.Writer }{c}, c)
			}()
		}
	}()
	return h.URL, l.Addr().String()
}

// toxicTrip sends a line through a proxy, and says how long the answer took.
func toxicTrip(at string) (time.Duration, error) {
	c, err := net.Dial("tcp", at)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	began := time.Now()
	c.SetDeadline(began.Add(20 * time.Second))
	if _, err := io.WriteString(c, "hola\n"); err != nil {
		return 0, err
	}
	_, err = bufio.NewReader(c).ReadString('\n')
	return time.Since(began), err
}

// The flow of toxiproxy's own end-to-end test, with its client of Go: create, list, toxics of
// each type added, changed and removed, disable, populate, reset, delete.
func TestToxiproxyClient(t *testing.T) {
	api, upstream := toxiproxyAt(t)
	client := toxic.NewClient(api)
	p, err := client.CreateProxy("go", "127.0.0.1:0", upstream)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateProxy("go", "127.0.0.1:0", upstream); err == nil || !strings.Contains(err.Error(), "proxy already exists") {
		t.Errorf("a second one: %v", err)
	}
	if _, err := client.CreateProxy("x", "127.0.0.1:0", ""); err == nil || !strings.Contains(err.Error(), "missing required field: upstream") {
		t.Errorf("without upstream: %v", err)
	}
	if _, err := client.Proxy("none"); err == nil || !strings.Contains(err.Error(), "proxy not found") {
		t.Errorf("none: %v", err)
	}
	trip := func(least time.Duration) {
		t.Helper()
		if took, err := toxicTrip(p.Listen); err != nil || took < least {
			t.Errorf("a line took %v, expected %v: %v", took, least, err)
		}
	}
	trip(0)
	added, err := p.AddToxic("", "latency", "", 1, toxic.Attributes{"latency": 200, "jitter": 10})
	if err != nil || added.Name != "latency_downstream" || added.Stream != "downstream" || added.Toxicity != 1 {
		t.Fatalf("%+v, %v", added, err)
	}
	trip(190 * time.Millisecond)
	if _, err := p.AddToxic("", "latency", "", 1, nil); err == nil || !strings.Contains(err.Error(), "toxic already exists") {
		t.Errorf("a second toxic: %v", err)
	}
	if _, err := p.UpdateToxic("latency_downstream", 0, toxic.Attributes{"latency": 60_000}); err != nil {
		t.Error(err)
	}
	trip(0) // of a toxicity of none
	if changed, err := client.UpdateToxic(&toxic.ToxicOptions{ProxyName: "go", ToxicName: "latency_downstream", Toxicity: 1, Attributes: toxic.Attributes{"latency": 1}}); err != nil || changed.Attributes["jitter"] != 10.0 {
		t.Errorf("%+v, %v", changed, err)
	}
	if err := p.RemoveToxic("latency_downstream"); err != nil {
		t.Error(err)
	}
	for kind, attributes := range map[string]toxic.Attributes{
		"bandwidth": {"rate": 1000}, "slow_close": {"delay": 10}, "slicer": {"average_size": 2, "size_variation": 1, "delay": 10},
		"limit_data": {"bytes": 1000}, "timeout": {"timeout": 0}, "reset_peer": {"timeout": 0},
	} {
		for _, stream := range []string{"upstream", "downstream"} {
			toxicity := float32(1)
			if kind == "timeout" || kind == "reset_peer" {
				toxicity = 0
			}
			if _, err := p.AddToxic("", kind, stream, toxicity, attributes); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
	if all, err := p.Toxics(); err != nil || len(all) != 12 {
		t.Errorf("%d toxics, %v", len(all), err)
	}
	trip(0)
	if _, err := p.AddToxic("", "magic", "", 1, nil); err == nil || !strings.Contains(err.Error(), "invalid toxic type") {
		t.Errorf("a type that is none: %v", err)
	}
	if err := client.ResetState(); err != nil {
		t.Error(err)
	}
	if all, err := p.Toxics(); err != nil || len(all) != 0 {
		t.Errorf("%d toxics after a reset, %v", len(all), err)
	}
	if _, err := p.AddToxic("", "reset_peer", "", 1, toxic.Attributes{"timeout": 0}); err != nil {
		t.Error(err)
	}
	if _, err := toxicTrip(p.Listen); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("reset_peer: %v", err)
	}
	if err := p.Disable(); err != nil {
		t.Error(err)
	}
	if _, err := toxicTrip(p.Listen); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("disabled: %v", err)
	}
	if err := client.ResetState(); err != nil {
		t.Error(err)
	}
	trip(0)
	made, err := client.Populate([]toxic.Proxy{{Name: "go", Listen: p.Listen, Upstream: upstream, Enabled: true}, {Name: "b", Listen: "127.0.0.1:0", Upstream: upstream, Enabled: true}})
	if err != nil || len(made) != 2 {
		t.Errorf("%v, %v", made, err)
	}
	if all, err := client.Proxies(); err != nil || len(all) != 2 || all["b"] == nil {
		t.Errorf("%v, %v", all, err)
	}
	if err := p.Delete(); err != nil {
		t.Error(err)
	}
	if err := p.Delete(); err == nil {
		t.Error("deleted twice")
	}
}

// The same with the client of Node.
func TestToxiproxyNode(t *testing.T) {
	node := testenv.Program(t, "node")
	global, err := exec.Command("npm", "root", "--global").Output()
	if err != nil {
		t.Skipf("no npm: %v", err)
	}
	folder := filepath.Join(strings.TrimSpace(string(global)), "toxiproxy-node-client")
	if _, err := os.Stat(folder); err != nil {
		t.Skip("no toxiproxy-node-client: npm install --global toxiproxy-node-client")
	}
	api, upstream := toxiproxyAt(t)
	out, err := exec.CommandContext(t.Context(), node, "testdata/toxiproxy.cjs", folder, api, upstream).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "all done") {
		t.Errorf("%v\n%s", err, out)
	}
}

// PATCH, which its clients do not send, with curl.
func TestToxiproxyCurl(t *testing.T) {
	curl := testenv.Program(t, "curl")
	api, upstream := toxiproxyAt(t)
	ask := func(method, path, body string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), curl, "-sS", "-X", method, "-d", body, "-w", " %{http_code}", api+path).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	ask("POST", "/proxies", `{"name":"c","listen":"127.0.0.1:0","upstream":"`+upstream+`"}`)
	ask("POST", "/proxies/c/toxics", `{"type":"bandwidth","attributes":{"rate":100}}`)
	for _, c := range []struct{ path, body, says string }{
		{"/proxies/c/toxics/bandwidth_downstream", `{"attributes":{"rate":50}}`, `"rate":50`},
		{"/proxies/c", `{"enabled":false}`, `"enabled":false`},
	} {
		if says := ask("PATCH", c.path, c.body); !strings.Contains(says, c.says) || !strings.HasSuffix(says, " 200") {
			t.Errorf("PATCH %s: %s", c.path, says)
		}
	}
}
