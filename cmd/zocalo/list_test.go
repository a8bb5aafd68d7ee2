package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/creack/pty"

	"zocalo/socket"
	"zocalo/sockstat"
)

func numbered(n int) *sockstat.Socket {
	s := &sockstat.Socket{Kind: sockstat.TCP, Type: socket.Stream, State: sockstat.Listen}
	s.Local.Addr = netip.AddrPortFrom(netip.IPv6Loopback(), uint16(n))
	return s
}

// TestListHolds sees how many sockets are held: a short list is put in order, a
// long one streams, and --sort holds all.
func TestListHolds(t *testing.T) {
	for _, test := range []struct {
		name    string
		o       ordering
		sockets int
		begins  string // how many rows decide the layout, and whether they are all
		ordered bool
	}{
		{"short", ordering{}, 10, "10 true", true},
		{"as long as is held", ordering{}, heldSockets, "1000 true", true},
		{"long", ordering{}, heldSockets + 2, "1000 false", false},
		{"sorted", ordering{order: usualOrder}, 3 * heldSockets, "3000 true", true},
		{"names are found batch by batch", ordering{resolver: newResolver(noHost, nil)}, 2*heldSockets + 1, "1000 false", false},
		{"names of a short list", ordering{resolver: newResolver(noHost, nil)}, 3, "3 true", true},
		{"names, sorted", ordering{order: usualOrder, resolver: newResolver(noHost, nil)}, 2*heldSockets + 1, "2001 true", true},
		{"none", ordering{}, 0, "0 true", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			sink := &portSink{}
			o := test.o
			o.sink = sink
			for n := range test.sockets {
				if err := o.take(t.Context(), numbered(test.sockets-n)); err != nil {
					t.Fatal(err)
				}
			}
			if err := o.end(t.Context()); err != nil {
				t.Fatal(err)
			}
			if sink.begins != test.begins || sink.ends != 1 {
				t.Errorf("began with %q; want %q; %d ends", sink.begins, test.begins, sink.ends)
			}
			if len(sink.ports) != test.sockets || slices.IsSorted(sink.ports) != test.ordered {
				t.Errorf("%d sockets, in order %v", len(sink.ports), slices.IsSorted(sink.ports))
			}
		})
	}
}

// A portSink takes rows of one cell, the local port, and an empty one.
type portSink struct {
	begins string
	ends   int
	ports  []int
	made   [2][]byte
}

func (p *portSink) cells(s *sockstat.Socket) [][]byte {
	p.made[0] = localPort.AppendText(p.made[0][:0], s)
	return p.made[:]
}

func (p *portSink) begin(sample iter.Seq[[][]byte], all bool) error {
	n := 0
	for range sample {
		n++
	}
	p.begins += fmt.Sprint(n, " ", all)
	return nil
}

func (p *portSink) row(cells [][]byte) error {
	port, err := strconv.Atoi(string(cells[0]))
	if err == nil && (len(cells) != 2 || len(cells[1]) != 0) {
		err = fmt.Errorf("cells %q", cells)
	}
	p.ports = append(p.ports, port)
	return err
}

func (p *portSink) end() error { p.ends++; return nil }

// TestListHeldRows keeps rows of every size, and sees that they come back.
func TestListHeldRows(t *testing.T) {
	var h heldRows
	var want [][]string
	for n := range 2000 {
		cells := []string{"", strings.Repeat("x", n*n/7), "", fmt.Sprint(n), "", ""}
		want = append(want, cells)
		var bytes [][]byte
		for _, c := range cells {
			bytes = append(bytes, []byte(c))
		}
		h.add(fmt.Appendf(nil, "%d", n%2), bytes)
		if n*n/7 > 1<<19 {
			break
		}
	}
	check := func(want [][]string) {
		t.Helper()
		n := 0
		for cells := range h.cells() {
			for i, cell := range cells {
				if string(cell) != want[n][i] {
					t.Fatalf("row %d has %.20q in cell %d; want %.20q", n, cell, i, want[n][i])
				}
			}
			n++
		}
		if n != len(want) {
			t.Errorf("%d rows; want %d", n, len(want))
		}
	}
	check(want)
	h.sort()
	var sorted [][]string
	for _, odd := range []int{0, 1} {
		for n := odd; n < len(want); n += 2 {
			sorted = append(sorted, want[n])
		}
	}
	check(sorted)
}

// TestListGroupUnnamed sees that a process without a name is told from no process.
func TestListGroupUnnamed(t *testing.T) {
	group, err := findGroup("process")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	l := &list{app: newApp(streams{out: &out}), jsonl: true}
	g := &groupCounter{list: l, out: bufferedOutput(l.app), group: group}
	g.count(&sockstat.Socket{})
	g.count(&sockstat.Socket{Holders: []sockstat.Holder{{PID: 1}}})
	if err := errors.Join(g.print(), g.out.Flush()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"process":null,"sockets":1,`, `{"process":"","sockets":1,`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %s", out.String(), want)
		}
	}
}

func noHost(context.Context, string) ([]string, error) { return nil, errors.New("no such host") }

func TestListResolve(t *testing.T) {
	asked := make(chan string, 10)
	r := newResolver(func(_ context.Context, address string) ([]string, error) {
		asked <- address
		if address == "192.0.2.1" {
			return []string{"web.example.", "other.example."}, nil
		}
		return nil, errors.New("no such host")
	}, func(text string) { t.Errorf("note %q", text) })
	r.services = parseServices(strings.NewReader("# names\nhttps 443/tcp # a comment\nhttp3\t443/udp alias\nbroken\n\nwww 443/tcp\n"))
	s := &sockstat.Socket{Kind: sockstat.TCP, State: sockstat.Established}
	s.Local.Addr = netip.MustParseAddrPort("[::ffff:192.0.2.1]:443")
	s.Peer.Addr = netip.MustParseAddrPort("[2001:db8::1]:50000")
	for range 2 {
		r.find(t.Context(), []*sockstat.Socket{s, s})
	}
	if len(asked) != 2 {
		t.Errorf("%d look-ups; want each address asked for once", len(asked))
	}
	for column, want := range map[string]string{
		"local": "web.example:https", "peer": "", "laddr": "web.example", "lport": "https", "raddr": "", "rport": "", "user": "",
	} {
		if got := string(r.appendCell(nil, column, s)); got != want {
			t.Errorf("%s is %q; want %q", column, got, want)
		}
	}
	s.Kind, s.Peer.Addr = sockstat.UDP, netip.MustParseAddrPort("[2001:db8::1]:443")
	if got := string(r.appendCell(nil, "peer", s)); got != "[2001:db8::1]:http3" {
		t.Errorf("peer is %q", got)
	}
}

// TestListResolveBound sees that look-ups without an answer end, and that this is said.
func TestListResolveBound(t *testing.T) {
	var notes []string
	r := newResolver(func(ctx context.Context, _ string) ([]string, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, func(text string) { notes = append(notes, text) })
	r.left = 1
	s := &sockstat.Socket{Kind: sockstat.TCP}
	s.Local.Addr = netip.MustParseAddrPort("192.0.2.1:443")
	r.find(t.Context(), []*sockstat.Socket{s})
	s.Local.Addr = netip.MustParseAddrPort("192.0.2.2:443")
	r.find(t.Context(), []*sockstat.Socket{s})
	if len(notes) != 1 {
		t.Errorf("notes %q; want one", notes)
	}
}

func TestListGroups(t *testing.T) {
	for _, test := range []struct{ group, want string }{
		{"state", `{"state":"listen","sockets":4,"listening":4,"connected":0,"recvq":0,"sendq":0}
{"state":"established","sockets":2,"listening":0,"connected":2,"recvq":0,"sendq":123456}
{"state":"time-wait","sockets":1,"listening":0,"connected":1,"recvq":0,"sendq":0}
{"state":"unconnected","sockets":1,"listening":1,"connected":0,"recvq":0,"sendq":0}
`},
		{"process", `{"process":null,"sockets":4,"listening":3,"connected":1,"recvq":0,"sendq":0}
{"process":"nginx","sockets":2,"listening":1,"connected":1,"recvq":0,"sendq":123456}
{"process":"evil\u001b]0;x\u0007","sockets":1,"listening":1,"connected":0,"recvq":0,"sendq":0}
{"process":"zocalo","sockets":1,"listening":0,"connected":1,"recvq":0,"sendq":0}
`},
		{"port", `{"port":null,"sockets":3,"listening":3,"connected":0,"recvq":0,"sendq":0}
{"port":443,"sockets":3,"listening":1,"connected":2,"recvq":0,"sendq":123456}
{"port":53,"sockets":1,"listening":1,"connected":0,"recvq":0,"sendq":0}
{"port":5346,"sockets":1,"listening":0,"connected":1,"recvq":0,"sendq":0}
`},
		{"peer", `{"peer":null,"sockets":5,"listening":5,"connected":0,"recvq":0,"sendq":0}
{"peer":"10.0.0.2","sockets":1,"listening":0,"connected":1,"recvq":0,"sendq":0}
{"peer":"127.0.0.1","sockets":1,"listening":0,"connected":1,"recvq":0,"sendq":0}
{"peer":"2001:db8:1234:5678:9abc:def0:1234:5678","sockets":1,"listening":0,"connected":1,"recvq":0,"sendq":123456}
`},
	} {
		t.Run(test.group, func(t *testing.T) {
			group, err := findGroup(test.group)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			l := &list{app: newApp(streams{out: &out}), jsonl: true}
			w := bufferedOutput(l.app)
			g := &groupCounter{list: l, out: w, group: group}
			for _, s := range fixedSockets() {
				g.count(s)
			}
			if err := g.print(); err != nil {
				t.Fatal(err)
			}
			w.Flush()
			if got := out.String(); got != test.want {
				t.Errorf("got:\n%swant:\n%s", got, test.want)
			}
		})
	}
}

// TestListOnTerminal runs the verb on a terminal of 60 columns.
func TestListOnTerminal(t *testing.T) {
	master, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	defer master.Close()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: 60}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", "@"+strings.Repeat("zocalo-list-", 8)+fmt.Sprint(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, colours := range []bool{true, false} {
		t.Setenv("TERM", "xterm")
		t.Setenv("NO_COLOR", "")
		if !colours {
			t.Setenv("NO_COLOR", "1")
		}
		var stderr bytes.Buffer
		if status := run([]string{"list", "unix", "local=" + l.Addr().String()}, streams{out: terminal, err: &stderr}); status != 0 {
			t.Fatalf("status %d: %s", status, stderr.String())
		}
		buf := make([]byte, 4096) // the table is in the terminal's buffer already
		n, err := master.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(buf[:n]), "\r", "")
		if bold := strings.Contains(text, "\x1b["); bold != colours {
			t.Errorf("bold is %v: %q", bold, text)
		}
		if !strings.Contains(text, "…") || strings.Count(text, "\n") != 2 {
			t.Errorf("not a heading and a row that is cut: %q", text)
		}
	}
}

// TestListBrokenPipe sees that a reader who has gone is no error worth a word.
func TestListBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	var stderr bytes.Buffer
	if status := run([]string{"list", "-q", "unix"}, streams{out: w, err: &stderr}); status != statusFailed || stderr.Len() > 0 {
		t.Errorf("status %d, standard error %q", status, stderr.String())
	}
}

func FuzzListWords(f *testing.F) {
	for _, word := range []string{"tcp", "port=443", "state!=listen", "443", "tpc", "=", "rtt=20ms..", "peer=10.0.0.0/8"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if _, err := parseListWords([]string{word}); err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("the error is not one safe line: %q", err)
		}
	})
}
