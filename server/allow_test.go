package server_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"zocalo/server"
	"zocalo/socket"
)

func mustList(t testing.TB, words ...string) *server.List {
	t.Helper()
	l, err := server.ParseList(words)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func inetName(text string) socket.Name {
	return socket.InetName(netip.AddrPortFrom(netip.MustParseAddr(text), 1234))
}

func TestListContains(t *testing.T) {
	for _, test := range []struct {
		words string
		addr  string
		want  bool
	}{
		{"10.0.0.0/8", "10.255.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true},
		{"::ffff:10.0.0.0/104", "10.1.2.3", true},
		{"::ffff:10.1.2.3", "10.1.2.3", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.2", false},
		{"0.0.0.0/0", "::1", false},
		{"::/0", "10.0.0.1", false},
		{"::/0", "::ffff:10.0.0.1", false},
		{"::/0", "2001:db8::1", true},
		{"::1", "::1", true},
		{"fe80::/10", "fe80::1%1", true},
		{"fd00::/8 192.168.0.0/16", "192.168.3.4", true},
		{"fd00::/8 192.168.0.0/16", "fd12::1", true},
		{"uid:0 gid:0", "10.0.0.1", false},
		{"uid:4294967294", "10.0.0.1", false}, // the greatest user there is
		{"", "10.0.0.1", false},
	} {
		l := mustList(t, strings.Fields(test.words)...)
		if got := l.Contains(inetName(test.addr)); got != test.want {
			t.Errorf("%q contains %s: %v", test.words, test.addr, got)
		}
		if l.String() != test.words {
			t.Errorf("%q prints as %q", test.words, l)
		}
	}
	if mustList(t, "::/0", "0.0.0.0/0").Contains(socket.VSockName(1, 1)) {
		t.Error("an address list contains a vsock name")
	}
}

func TestParseListRefuses(t *testing.T) {
	for word, says := range map[string]string{
		"":                    "must be an address",
		"localhost":           "must be an address",
		"10.0.0.0/33":         "must be an address",
		"10.0.0.0/":           "must be an address",
		"10.0.0":              "must be an address",
		"fe80::1%eth0":        "must be an address",
		"10.0.0.1/8":          "write 10.0.0.0/8",
		"::ffff:10.0.0.1/104": "write ::ffff:10.0.0.0/104",
		"uid:":                "number",
		"uid:-1":              "number",
		"uid:root":            "number",
		"gid:4294967296":      "number",
	} {
		_, err := server.ParseList([]string{"127.0.0.1", word})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), strconv.Quote(word)) {
			t.Errorf("%q: %v; want an error that names it and says %q", word, err, says)
		}
	}
}

func FuzzParseList(f *testing.F) {
	f.Add("10.0.0.0/8 ::1 uid:0", "10.0.0.1")
	f.Add("::ffff:0.0.0.0/96", "::ffff:1.2.3.4")
	f.Fuzz(func(t *testing.T, words, addr string) {
		l, err := server.ParseList(strings.Fields(words))
		if err != nil {
			return
		}
		again, err := server.ParseList(strings.Fields(l.String()))
		if err != nil {
			t.Fatalf("%q is not read again: %v", l, err)
		}
		if a, err := netip.ParseAddr(addr); err == nil && a.Zone() == "" {
			n, mapped := inetName(addr), inetName(netip.AddrFrom16(a.As16()).String())
			if l.Contains(n) != again.Contains(n) || a.Is4() && l.Contains(n) != l.Contains(mapped) {
				t.Fatalf("%q does not agree with itself on %s", words, addr)
			}
		}
	})
}

func TestAllowAndDeny(t *testing.T) {
	here, elsewhere := mustList(t, "127.0.0.0/8"), mustList(t, "192.0.2.0/24")
	me := mustList(t, "uid:"+strconv.Itoa(os.Getuid()))
	myGroup := mustList(t, "gid:"+strconv.Itoa(os.Getgid()))
	other := mustList(t, "uid:"+strconv.Itoa(os.Getuid()+1))
	for _, test := range []struct {
		name        string
		kind        socket.Kind
		allow, deny *server.List
		served      bool
	}{
		{"tcp, no lists", tcp, nil, nil, true},
		{"tcp, allowed", tcp, here, nil, true},
		{"tcp, allowed and not denied", tcp, here, elsewhere, true},
		{"tcp, another allowed", tcp, elsewhere, nil, false},
		{"tcp, nobody allowed", tcp, mustList(t), nil, false},
		{"tcp, denied", tcp, nil, here, false},
		{"tcp, allowed and denied", tcp, here, here, false},
		{"unix, no lists", unix, nil, nil, true},
		{"unix, my user", unix, me, nil, true},
		{"unix, my group", unixSeq, myGroup, nil, true},
		{"unix, my user denied", unixSeq, nil, me, false},
		{"unix, another user", unix, other, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			l := listen(t, test.kind)
			r := serve(t, &server.Server{Handler: echoed, Drain: -1, Allow: test.allow, Deny: test.deny,
				Log: slog.New(slog.NewTextHandler(&log, nil))}, l)
			c := open(t, test.kind)
			err := c.Connect(t.Context(), l.Name()) // a reset may be quicker
			if test.served {
				exchange(t, c, "x")
				c.Close()
			} else {
				if err == nil {
					_, err = c.Read(make([]byte, 1))
				}
				if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the client sees %v; want the connection's end", err)
				}
			}
			r.wait(t)
			if told := strings.Contains(log.String(), "rejected"); told == test.served {
				t.Errorf("the log says:\n%s", &log)
			}
		})
	}
}

func TestServersRefuseListsThatCannotApply(t *testing.T) {
	here, me := mustList(t, "127.0.0.0/8"), mustList(t, "uid:0")
	for _, test := range []struct {
		kind        socket.Kind
		allow, deny *server.List
	}{{tcp, me, nil}, {unix, here, nil}, {unix, nil, here}, {memory, here, nil}, {memory, nil, here}} {
		s := &server.Server{Handler: echoed, Allow: test.allow, Deny: test.deny}
		var refused *server.ListError
		if err := s.Serve(t.Context(), listen(t, test.kind)); !errors.As(err, &refused) {
			t.Errorf("Serve of %v: %v; want a refusal", test.kind, err)
		}
	}
	{
		kind := unixDatagram
		s := &server.Sessions{Handler: echoed, Deny: me}
		var refused *server.ListError
		if err := s.Serve(t.Context(), bound(t, kind)); !errors.As(err, &refused) {
			t.Errorf("Sessions of %v: %v; want a refusal", kind, err)
		}
	}
}

// A layered endpoint, as iso's over TCP: its own names are not the Internet's.
type layered struct {
	socket.Endpoint
}

func (l layered) Lower() socket.Endpoint { return l.Endpoint }
func (l layered) Peer() socket.Name      { return socket.Name{} }

func TestListSeesTheConnectionBeneath(t *testing.T) {
	_, far := pair(t, tcp)
	c := socket.Wrap(layered{far}, memory)
	if !mustList(t, "127.0.0.1").ContainsPeer(c) || mustList(t, "127.0.0.2").ContainsPeer(c) {
		t.Error("the address of the connection beneath was not looked at")
	}
	if mustList(t, "127.0.0.1").ContainsPeer(socket.Wrap(layered{open(t, tcp)}, memory)) {
		t.Error("a socket without a peer is in a list")
	}
}

func TestCheckLists(t *testing.T) {
	for _, c := range []struct {
		words, want string
		kinds       []socket.Kind
	}{
		{"uid:0", "allow uid:0", []socket.Kind{tcp}},
		{"gid:0", "allow gid:0", []socket.Kind{tcp, udp, unixDatagram}},
		{"uid:0 10.0.0.0/8", "allow uid:0 10.0.0.0/8: it cannot apply to unix-dgram", []socket.Kind{unix, tcp, unixDatagram}},
		{"uid:0", "allow uid:0: it cannot apply to tcp", []socket.Kind{tcp, unix}},
		{"uid:0", "", []socket.Kind{unixSeq}},
		{"10.0.0.0/8", "allow 10.0.0.0/8", []socket.Kind{unix}},
		{"uid:0 10.0.0.0/8", "", []socket.Kind{unix, udp}},
		{"::1", "allow ::1", []socket.Kind{memory}},
		{"", "", []socket.Kind{memory}},
	} {
		l := mustList(t, strings.Fields(c.words)...)
		var sockets []*socket.Socket
		for _, k := range c.kinds {
			sockets = append(sockets, bound(t, k))
		}
		got := ""
		if err := (server.Lists{Allow: l, Deny: nil}).Check(sockets...); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s on %v: %q, want %q", c.words, c.kinds, got, c.want)
		}
	}
}
