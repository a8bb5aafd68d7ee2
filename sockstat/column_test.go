package sockstat

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"zocalo/socket"
	"zocalo/socket/option"
)

func TestColumns(t *testing.T) {
	word := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	seen := map[string]bool{}
	full := web()
	full.Memory, full.MPTCPInfo = &Memory{}, &option.MPTCPInfo{}
	for _, c := range Columns() {
		if !word.MatchString(c.Name) || seen[c.Name] {
			t.Errorf("name %q is no word, or is there twice", c.Name)
		}
		seen[c.Name] = true
		if c.Header == "" || strings.ToUpper(c.Header) != c.Header || strings.Contains(c.Header, " ") {
			t.Errorf("%s: header %q", c.Name, c.Header)
		}
		if c.Doc == "" || strings.HasSuffix(c.Doc, ".") || strings.Contains(c.Doc, "\n") {
			t.Errorf("%s: doc %q", c.Name, c.Doc)
		}
		if (c.text != nil) != (c.Unit == Text) || (c.flag != nil) != (c.Unit == Flag) {
			t.Errorf("%s: its unit does not fit its value", c.Name)
		}
		if found, err := FindColumn(c.Name); err != nil || found != c {
			t.Errorf("FindColumn(%q) = %v, %v", c.Name, found, err)
		}
		for _, s := range []*Socket{full, sun(), {}} {
			if text := c.Text(s); text != "" && !plain(text) && text[0] != '"' {
				t.Errorf("%s: text %q is not safe", c.Name, text)
			}
		}
		if c.Compare(full, full) != 0 || c.Compare(full, &Socket{}) != -c.Compare(&Socket{}, full) {
			t.Errorf("%s: Compare is no order", c.Name)
		}
	}
	for _, key := range FilterKeys() {
		if _, _, err := parserFor(key); err != nil {
			t.Errorf("key %s: %v", key, err)
		}
	}
	if _, err := FindColumn("rttt"); err == nil || !strings.HasSuffix(err.Error(), "did you mean rtt?") {
		t.Errorf("FindColumn of a near word: %v", err)
	}
}

func TestColumnText(t *testing.T) {
	link := &Socket{Kind: UDP, Local: Name{Addr: netip.MustParseAddrPort("[fe80::1%eth0]:53")}}
	tests := []struct {
		column string
		s      *Socket
		want   string
	}{
		{"local", web(), "192.0.2.1:443"},
		{"peer", web(), "[::ffff:10.1.2.3]:50000"},
		{"peer", &Socket{Kind: TCP, Peer: Name{Addr: netip.MustParseAddrPort("0.0.0.0:0")}}, ""},
		{"local", link, "[fe80::1%eth0]:53"},
		{"local", sun(), "/run/x.sock"},
		{"local", &Socket{Kind: Unix, Local: Name{Path: "a b"}}, `"a b"`},
		{"local", &Socket{Kind: Unix, Local: Name{Path: "\x1b[31m"}}, `"\x1b[31m"`},
		{"local", &Socket{Kind: Unix, Local: Name{Path: "x\x00y", Abstract: true}}, `"@x\x00y"`},
		{"local", &Socket{Kind: Unix, Local: Name{Path: "@x"}}, "./@x"},
		{"local", &Socket{Kind: Unix, Local: Name{Path: "x", Abstract: true}}, "@x"},
		{"local", &Socket{Kind: Vsock, Local: Name{CID: AnyCID, Port: 99}}, "any:99"},
		{"peer", &Socket{Kind: Vsock, Peer: Name{CID: AnyCID, Port: AnyCID}}, ""},
		{"local", &Socket{Kind: Raw, Local: Name{Addr: netip.MustParseAddrPort("0.0.0.0:0")}}, "0.0.0.0"},
		{"local", &Socket{Kind: Packet, Interface: "eth0"}, "eth0"},
		{"process", web(), `"nginx,nginx: worker"`},
		{"pid", web(), "812,813"},
		{"fd", web(), "7,7"},
		{"rtt", web(), "25ms"},
		{"pacing_rate", web(), "16.0Mbit/s"},
		{"app_limited", web(), "yes"},
		{"options", web(), "timestamps,sack"},
		{"rtt", sun(), ""},
		{"shutdown", &Socket{Shutdown: 3}, "both"},
		{"orphan", &Socket{Kind: TCP, State: FinWait1}, "yes"},
		{"orphan", &Socket{Kind: TCP, State: Established}, ""}, // waits to be accepted
		{"rtt", &Socket{TCPInfo: &option.TCPInfo{RTT: 123456 * time.Microsecond}}, "123ms"},
		{"rtt", &Socket{State: Listen, TCPInfo: &option.TCPInfo{}}, ""},
	}
	for _, tt := range tests {
		c, err := FindColumn(tt.column)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Text(tt.s); got != tt.want {
			t.Errorf("%s of %s = %q, want %q", tt.column, tt.s.AppendJSON(nil), got, tt.want)
		}
		// A name tells the same without its socket, which alone knows of interfaces, and that
		// raw sockets have no ports.
		if got := tt.s.Local.String(); tt.column == "local" && tt.s.Kind != Packet && tt.s.Kind != Raw && got != tt.want {
			t.Errorf("the name of %s = %q, want %q", tt.s.AppendJSON(nil), got, tt.want)
		}
	}
}

func TestJSON(t *testing.T) {
	s := web()
	s.Holders[0].Name = "a\"\\\n\u202e\U000e0001\xff"
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	for key, want := range map[string]any{
		"kind": "tcp", "state": "established", "local": "192.0.2.1:443", "lport": 443.0, "rtt": 25000.0,
		"app_limited": true, "uid": 33.0, "pacing_rate": 2e6,
		"process": []any{
			map[string]any{"name": `"a\"\\\n\u202e\U000e0001\xff"`, "pid": 812.0, "fd": 7.0},
			map[string]any{"name": "nginx: worker", "pid": 813.0, "fd": 7.0},
		},
	} {
		if d := cmp.Diff(want, m[key]); d != "" {
			t.Errorf("%s: %s", key, d)
		}
	}
	for _, key := range []string{"v6only", "mem_recv", "pid"} {
		if _, ok := m[key]; ok {
			t.Errorf("%s has no value and is there", key)
		}
	}
	if unknown := slices.DeleteFunc(keys(m), func(k string) bool { return findColumn(k) != nil }); len(unknown) > 0 {
		t.Errorf("keys without a column: %v", unknown)
	}
}

func keys(m map[string]any) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "nginx", "a b", "\x00", "\x1b]0;x\x07", "bad\xff", "\u202egpj.exe", `"x"`, "@x", "é", "\U000e0001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		q := Quote(name)
		for _, r := range q {
			if !strconv.IsPrint(r) {
				t.Fatalf("Quote(%q) = %q holds %U", name, q, r)
			}
		}
		if back, err := strconv.Unquote(q); q != name && (err != nil || back != name) {
			t.Fatalf("Quote(%q) = %s, which reads %q, %v", name, q, back, err)
		}
		b := AppendJSONString(nil, name)
		var back string
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if utf8.ValidString(name) && back != name {
			t.Fatalf("JSON of %q reads %q", name, back)
		}
		for _, r := range string(b) {
			if !strconv.IsPrint(r) {
				t.Fatalf("JSON of %q holds %U", name, r)
			}
		}
	})
}

func TestClone(t *testing.T) {
	s := web()
	s.Memory = &Memory{Drops: 1}
	c := s.Clone()
	before := string(c.AppendJSON(nil))
	s.TCPInfo.RTT, s.Memory.Drops, s.Holders[0].PID, s.PeerHolders[0].PID = 0, 0, 0, 0
	if after := string(c.AppendJSON(nil)); after != before {
		t.Errorf("the clone changed with its original: %s, then %s", before, after)
	}
}

func TestStateWords(t *testing.T) {
	for s := Established; s < stateCount; s++ {
		if s == 12 { // the kernel shows requests as SynRecv
			continue
		}
		if got, err := ParseState(s.String()); err != nil || len(got) != 1 && s != Unconnected || got[0] != s {
			t.Errorf("ParseState(%q) = %v, %v", s, got, err)
		}
	}
	for _, bad := range []string{"", "12", "ESTABLISHED", "state?"} {
		if got, err := ParseState(bad); err == nil {
			t.Errorf("ParseState(%q) = %v", bad, got)
		}
	}
}

func ExampleQuote() {
	fmt.Println(Quote("/run/docker.sock"))
	fmt.Println(Quote("/tmp/a b\x1b[2J"))
	// Output:
	// /run/docker.sock
	// "/tmp/a b\x1b[2J"
}

func ExampleParseFilter() {
	f, err := ParseFilter([]string{"port=80,443", "peer=10.0.0.0/8"})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &Socket{
		Kind: TCP, State: Established,
		Local: Name{Addr: netip.MustParseAddrPort("192.0.2.1:443")},
		Peer:  Name{Addr: netip.MustParseAddrPort("10.1.2.3:50000")},
	}
	fmt.Println(f.Match(s))

	_, err = ParseFilter([]string{"kind=tpc"})
	fmt.Println(err)
	// Output:
	// true
	// filter kind=tpc: unknown kind "tpc": did you mean tcp?
}

func TestColumnJSON(t *testing.T) {
	s := &Socket{Kind: TCP, State: Listen, Holders: []Holder{{PID: 7, Name: "a", FD: 3}, {PID: 7, Name: "a", FD: 4}}}
	for name, want := range map[string]string{
		"state": `x"listen"`, "pid": `x[7]`, "fd": `x[3,4]`, "sendq": `x0`,
		"process": `x[{"name":"a","pid":7,"fd":3},{"name":"a","pid":7,"fd":4}]`,
		"rtt":     `x`, "peer_pid": `x`, "ulp": `x`,
	} {
		c, err := FindColumn(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(c.AppendJSON([]byte("x"), s)); got != want {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
}

func TestListening(t *testing.T) {
	for _, test := range []struct {
		s    Socket
		want bool
	}{
		{Socket{Kind: TCP, Type: socket.Stream, State: Listen}, true},
		{Socket{Kind: TCP, Type: socket.Stream, State: Unconnected}, false},
		{Socket{Kind: TCP, Type: socket.Stream, State: Established}, false},
		{Socket{Kind: UDP, Type: socket.Datagram, State: Unconnected}, true},
		{Socket{Kind: UDP, Type: socket.Datagram, State: Established}, false},
		{Socket{Kind: Packet, Type: socket.Raw, State: Unconnected}, true},
		{Socket{Kind: Unix, Type: socket.Datagram, State: Unconnected}, false},
		{Socket{Kind: Unix, Type: socket.Datagram, State: Unconnected, Local: Name{Path: "x"}}, true},
		{Socket{Kind: Unix, Type: socket.Datagram, State: Unconnected, Local: Name{Abstract: true}}, true},
		{Socket{Kind: Unix, Type: socket.SeqPacket, State: Unconnected, Local: Name{Path: "x"}}, false},
	} {
		if got := test.s.Listening(); got != test.want {
			t.Errorf("%s %s %s %q: %v", test.s.Kind, test.s.Type, test.s.State, test.s.Local.Path, got)
		}
	}
}

// checkJSON reports whether a socket's JSON is JSON.
func checkJSON(s *Socket) error {
	if b := s.AppendJSON(nil); !json.Valid(b) {
		return fmt.Errorf("not JSON: %q", b)
	}
	return nil
}
