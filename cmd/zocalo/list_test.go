package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"

	"zocalo/sockstat"
)

func numbered(n int) *sockstat.Socket {
	s := &sockstat.Socket{Kind: sockstat.TCP, Type: sockstat.Stream, State: sockstat.Listen}
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
		batches []string
		ordered bool
	}{
		{"short", ordering{}, 10, []string{"10 true"}, true},
		{"as long as is held", ordering{}, heldSockets, []string{"1000 true"}, true},
		{"long", ordering{}, heldSockets + 2, []string{"1000 false", "1 false", "1 false", "0 true"}, false},
		{"sorted", ordering{order: usualOrder}, heldSockets + 2, []string{"1002 true"}, true},
		{"names are found batch by batch", ordering{resolver: newResolver(noHost, nil)}, 2*heldSockets + 1,
			[]string{"1000 false", "1000 false", "1 true"}, false},
		{"counted", ordering{unordered: true}, 2, []string{"1 false", "1 false", "0 true"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			sink := &lastSink{}
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
			if !slices.Equal(sink.batches, test.batches) {
				t.Errorf("batches %q; want %q", sink.batches, test.batches)
			}
			if len(sink.ports) != test.sockets || slices.IsSorted(sink.ports) != test.ordered {
				t.Errorf("%d sockets, in order %v", len(sink.ports), slices.IsSorted(sink.ports))
			}
		})
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
			l := &list{app: &app{streams: streams{out: &out}}, jsonl: true}
			w := bufferedOutput(l.app)
			g := &groupSink{list: l, out: w, group: group}
			for _, s := range fixedSockets() {
				if err := g.put([]*sockstat.Socket{s}, false); err != nil {
					t.Fatal(err)
				}
			}
			if err := g.put(nil, true); err != nil {
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
