package main

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/creack/pty"

	"zocalo/process"
	"zocalo/socket/option"
	"zocalo/sockstat"
)

// The live view is driven by its keys and read from the screen, of which only what differs is drawn anew.
func TestListWatch(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	d := sitsAt(t, "zocalo", "list", "--watch=50ms", "tcp", fmt.Sprintf("port=%d", port))
	sees := func(what string) {
		t.Helper()
		eventually(t, what, func() bool { return strings.Contains(d.String(), what) })
	}
	sees("> tcp    listen")
	sees(fmt.Sprintf("127.0.0.1:%d", port))
	d.types(t, "?")
	sees("pause and go on")
	d.types(t, "?\r")
	sees("No connection waits to be accepted")
	c, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	defer c.Close()
	sees("established")
	must(t, pty.Setsize(d.File, &pty.Winsize{Rows: 30, Cols: 60}))
	d.types(t, "q")
	sees("\x1b[?1049l") // the screen is as it was
}

// Nothing of the live view is highlighted where its user refused that.
func TestListWatchNoColor(t *testing.T) {
	highlight := regexp.MustCompile("\x1b\\[[1-9;]*m")
	for setting, want := range map[string]bool{"": true, "1": false} {
		t.Setenv("NO_COLOR", setting)
		d := sitsAt(t, "zocalo", "list", "--watch", "50ms", "kind=unix,tcp")
		eventually(t, "the sockets", func() bool { return strings.Contains(d.String(), "(? for help)") })
		d.types(t, "q")
		eventually(t, "the end", func() bool { return strings.Contains(d.String(), "\x1b[?1049l") })
		if highlight.MatchString(d.String()) != want {
			t.Errorf("NO_COLOR=%q: %q", setting, d)
		}
	}
}

// Pairs of the same names are told apart from one look to the next: those of two programs,
// and one that follows another.
func TestWatchKeyOfPrograms(t *testing.T) {
	began := time.Now()
	pair := func(pid int, after time.Duration, sent uint64) *sockstat.Socket {
		return &sockstat.Socket{
			Kind: sockstat.Pair, State: sockstat.Established, Local: sockstat.Name{Text: "@"}, Peer: sockstat.Name{Text: "unix:/run/db"},
			Holders: []sockstat.Holder{{PID: pid, FD: -1}},
			Program: &sockstat.Program{Began: began.Add(after), Now: time.Now(), Counted: true, Sent: sent},
		}
	}
	keys := map[watchKey]string{}
	for name, s := range map[string]*sockstat.Socket{"one": pair(1, 0, 0), "another": pair(1, 1, 0), "elsewhere": pair(2, 0, 0)} {
		if other, twice := keys[watchKeyOf(s)]; twice {
			t.Errorf("%s and %s have one key", name, other)
		}
		keys[watchKeyOf(s)] = name
	}
	later := pair(1, 0, 1000)
	later.Program.Began = later.Program.Began.Round(0).UTC() // as JSON has it
	if name := keys[watchKeyOf(later)]; name != "one" {
		t.Errorf("once bytes have passed it is %q", name)
	}
}

// The filter line has words with spaces as a shell would.
func TestQuotedWords(t *testing.T) {
	for _, words := range [][]string{{"tcp", "port=1"}, {"process=two words", "it's", `a\b`, `"`}, {""}} {
		line := quotedWords(words)
		if got, err := process.Words(line); err != nil || !slices.Equal(got, words) {
			t.Errorf("%q is %s, and that %q, %v", words, line, got, err)
		}
	}
}

// The picture of fixed sockets: orders, the choice, and what a narrow terminal does.
func TestListLiveView(t *testing.T) {
	made := func(port int, acked uint64) watched {
		s := &sockstat.Socket{Kind: sockstat.TCP, State: sockstat.Established, Cookie: uint64(port), TCPInfo: &option.TCPInfo{BytesAcknowledged: acked}}
		s.Local.Addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
		before := s.Clone()
		before.TCPInfo.BytesAcknowledged = 0
		return watched{s, before, time.Second}
	}
	m := &liveView{list: &list{app: newApp(streams{}), watch: time.Second}, width: 100, height: 8}
	m.Update(liveLook{now: []watched{made(2, 5_000_000), made(1, 10), made(3, 700)}})
	screen := func() string { return m.View().Content }
	order := func(ports ...int) {
		t.Helper()
		at := -1
		for _, p := range ports {
			next := strings.Index(screen(), fmt.Sprintf("127.0.0.1:%d", p))
			if next < at {
				t.Errorf("not in the order %v: %s", ports, screen())
			}
			at = next
		}
	}
	order(1, 2, 3)
	if !strings.Contains(screen(), "40.0Mbit/s") {
		t.Errorf("no rate: %s", screen())
	}
	m.key("j")
	if !strings.Contains(screen(), "> tcp    established 40.0Mbit/s") {
		t.Errorf("the second is not chosen: %s", screen())
	}
	m.key("s")
	order(2, 3, 1)
	if m.at != 0 {
		t.Errorf("the choice stayed behind: %s", screen())
	}
	m.key("enter")
	m.Update(liveLook{now: m.shown})
	m.height = 30
	if !strings.Contains(screen(), "In the last 1 s the peer acknowledged 4.77 MiB (40.0 Mbit/s)") {
		t.Errorf("it is not explained: %s", screen())
	}
	m.key("space")
	m.Update(liveLook{})
	if !strings.Contains(screen(), "3 sockets") || !strings.Contains(screen(), "paused") {
		t.Errorf("it does not pause: %s", screen())
	}
	types := func(text string) {
		for _, r := range text {
			m.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
		m.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
	}
	types("/tcp prot=1")
	if !strings.Contains(screen(), "did you mean port?") || !strings.Contains(screen(), "filter: tcp prot=1") {
		t.Errorf("a wrong filter is taken: %s", screen())
	}
	for range "prot=1" {
		m.Update(tea.KeyPressMsg{Code: tea.KeyBackspace})
	}
	types("port=1")
	types("/ 'process=two words'")
	if m.filter != "tcp port=1 'process=two words'" || m.query.Filter.String() != "port=1 process=two words" {
		t.Errorf("the filter is %q, %v", m.filter, m.query.Filter)
	}
	for range " 'process=two words'" {
		m.filter = m.filter[:len(m.filter)-1]
	}
	types("/")
	if m.filter != "tcp port=1" || m.types || m.query.Filter.String() != "port=1" || strings.Contains(screen(), "did you mean") {
		t.Errorf("the filter is %q: %s", m.filter, screen())
	}
	m.width, m.height = 20, 4
	lines := strings.Split(screen(), "\n")
	for _, line := range lines {
		if len(lines) > 4 || cellWidth([]byte(line)) > 20 {
			t.Errorf("too large: %q", line)
		}
	}
}
