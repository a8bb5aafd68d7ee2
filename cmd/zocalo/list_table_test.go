package main

import (
	"bufio"
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"zocalo/socket"
	"zocalo/sockstat"
)

var update = flag.Bool("update", false, "write the golden tables of list anew")

// fixedSockets are sockets of all kinds, with names as long and as bad as they come.
func fixedSockets() []*sockstat.Socket {
	inet := func(k sockstat.Kind, state sockstat.State, local, peer string) *sockstat.Socket {
		s := &sockstat.Socket{Kind: k, Type: socket.Stream, State: state, UID: 33, HasUID: true, User: "www-data"}
		if k == sockstat.UDP {
			s.Type = socket.Datagram
		}
		s.Local.Addr = netip.MustParseAddrPort(local)
		if peer != "" {
			s.Peer.Addr = netip.MustParseAddrPort(peer)
		}
		return s
	}
	web := inet(sockstat.TCP, sockstat.Listen, "0.0.0.0:443", "")
	web.RecvQ, web.SendQ, web.Inode = 3, 511, 10
	web.Holders = []sockstat.Holder{{PID: 800, Name: "nginx", FD: 6}, {PID: 801, Name: "nginx", FD: 6}}
	busy := inet(sockstat.TCP, sockstat.Established, "[2001:db8:85a3::8a2e:370:7334]:443", "[2001:db8:1234:5678:9abc:def0:1234:5678]:50123")
	busy.SendQ, busy.Inode = 123456, 11
	busy.Holders = []sockstat.Holder{{PID: 801, Name: "nginx", FD: 9}}
	rest := inet(sockstat.TCP, sockstat.TimeWait, "10.0.0.1:443", "10.0.0.2:40000")
	rest.HasUID, rest.User = false, ""
	dns := inet(sockstat.UDP, sockstat.Unconnected, "[fe80::1%eth0]:53", "")
	dns.Holders = []sockstat.Holder{{PID: 1, Name: "evil\x1b]0;x\a", FD: 3}}
	pair := inet(sockstat.MPTCP, sockstat.Established, "127.0.0.1:5346", "127.0.0.1:40002")
	pair.Holders = []sockstat.Holder{{PID: 70, Name: "zocalo", FD: 5}}
	pair.PeerHolders = []sockstat.Holder{{PID: 71, Name: "talk and talk", FD: 3}}
	unix := func(local string, abstract bool) *sockstat.Socket {
		return &sockstat.Socket{Kind: sockstat.Unix, Type: socket.Stream, State: sockstat.Listen, HasUID: true, User: "root", SendQ: 128,
			Local: sockstat.Name{Path: local, Abstract: abstract}}
	}
	return []*sockstat.Socket{web, busy, rest, pair, dns,
		unix("/run/日本/ソケット/"+strings.Repeat("long/", 15)+"end.sock", false),
		unix("line\nbreak\x1b[2J\u202e", true), unix("", false)}
}

// fixedTable is the table of the fixed sockets on a terminal of some width.
func fixedTable(t *testing.T, width int, columns string, noHeader bool) (table, notes string) {
	t.Helper()
	chosen, err := chooseColumns(columns, true, false)
	if err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	a := newApp(streams{out: &out, err: &stderr})
	l := &list{app: a, noHeader: noHeader}
	w := bufio.NewWriter(&out)
	s := &tableSink{list: l, columns: chosen, table: l.newTable(w)}
	s.table.width = width
	o := &ordering{sink: s, order: []orderKey{}} // as they come
	for _, socket := range fixedSockets() {
		if err := o.take(t.Context(), socket); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.end(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	return out.String(), stderr.String()
}

func TestListTable(t *testing.T) {
	for _, test := range []struct {
		name     string
		width    int
		columns  string
		noHeader bool
	}{
		{"pipe", 0, "", false},
		{"terminal-200", 200, "", false},
		{"terminal-132", 132, "", false},
		{"terminal-80", 80, "", false},
		{"terminal-60", 60, "", false},
		{"columns-80", 80, "local,peer,process,pid,rtt,minrtt,cwnd,delivery_rate,bytes_sent,user", false},
		{"more-columns-132", 132, "+v6only", false},
		{"no-header", 80, "kind,local", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			table, notes := fixedTable(t, test.width, test.columns, test.noHeader)
			got := table + notes
			file := filepath.Join("testdata", "list", test.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// TestListTableFits tries every width: no line is longer, no byte dangerous.
func TestListTableFits(t *testing.T) {
	for width := 40; width <= 300; width++ {
		table, notes := fixedTable(t, width, "", false)
		for line := range strings.Lines(table) {
			line = strings.TrimSuffix(line, "\n")
			if n := cellWidth([]byte(line)); n > width {
				t.Fatalf("a line of %d columns on a terminal of %d: %s", n, width, line)
			}
		}
		for _, text := range [...]string{table, notes} {
			if !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\a\u202e") {
				t.Fatalf("width %d: not safe on a terminal: %q", width, text)
			}
		}
	}
}

func TestCellWidth(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "é": 1, "e\u0301": 1, "日本": 4, "…": 1, "🦊": 2, "ｶﾅ": 2} {
		if got := cellWidth([]byte(text)); got != want {
			t.Errorf("cellWidth(%q) = %d; want %d", text, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		cell   string
		width  int
		middle bool
		want   string
	}{
		{"192.168.100.200:50123", 12, true, "192.1…:50123"},
		{"nginx: worker process", 8, false, "nginx: …"},
		{"日本語の名前", 7, false, "日本語…"},
		{"日本語の名前", 6, true, "日…前"},
		{"abc", 1, true, "…"},
	} {
		if got := string(cut([]byte(test.cell), test.width, test.middle)); got != test.want {
			t.Errorf("cut(%q, %d, %v) = %q; want %q", test.cell, test.width, test.middle, got, test.want)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add("192.168.100.200:50123", uint8(12), true)
	f.Add("日本e\u0301", uint8(3), false)
	f.Add("\xff\xfe", uint8(1), true)
	f.Fuzz(func(t *testing.T, cell string, width uint8, middle bool) {
		size := int(width) + 1
		if cellWidth([]byte(cell)) <= size {
			t.Skip("it is not cut")
		}
		got := cut([]byte(cell), size, middle)
		if n := cellWidth(got); n > size || !utf8.Valid(got) {
			t.Errorf("cut to %d: %q takes %d", size, got, n)
		}
	})
}
