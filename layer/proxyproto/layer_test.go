package proxyproto_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zocalo"
	_ "zocalo/layer/proxyproto"
	_ "zocalo/layer/tls"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// stalled is how many clients stall.
var stalled = flag.Int("stalled", 1500, "clients that stall, of which each takes two descriptors")

const header2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb"

const header1 = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"

// listen returns a listener, and what became of the handshakes that failed.
func listen(t testing.TB, address string) (*zocalo.Listener, <-chan error) {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	failed := make(chan error, 10)
	l.OnHandshake(func(_ *socket.Socket, err error) {
		if err != nil {
			failed <- err
		}
	})
	return l, failed
}

func dial(t testing.TB, address string) *socket.Socket {
	t.Helper()
	s, err := zocalo.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// accept returns the next connection within a time that no machine takes.
func accept(t testing.TB, l *zocalo.Listener) *socket.Socket {
	t.Helper()
	return <-accepting(t, l)
}

// accepting is accept beside the caller: handshakes run only while somebody accepts.
func accepting(t testing.TB, l *zocalo.Listener) <-chan *socket.Socket {
	accepted := make(chan *socket.Socket, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		s, err := l.Accept(ctx)
		if err != nil {
			t.Errorf("Accept: %v", err)
		} else {
			t.Cleanup(func() { s.Close() })
		}
		accepted <- s
	}()
	return accepted
}

func say(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	if _, err := io.WriteString(s, text); err != nil {
		t.Fatal(err)
	}
}

// hears checks that s reads that and no more.
func hears(t testing.TB, s *socket.Socket, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(s, b); err != nil || string(b) != want {
		t.Errorf("%q, %v, want %q", b, err, want)
	}
}

// What comes in the segment of a header, or after it in any pieces, is read after it,
// over sockets that can be looked into and over layers that cannot.
func TestCut(t *testing.T) {
	for _, kind := range []string{"tcp", "unix", "tls+tcp"} {
		for _, mode := range []string{"require", "accept"} {
			at := "127.0.0.1:0"
			if kind == "unix" {
				at = filepath.Join(t.TempDir(), "s")
			}
			l, _ := listen(t, "pp+"+kind+":"+at+",pp="+mode)
			to := kind + ":" + l.Name().String()
			for _, line := range l.Notices() {
				if _, address, ok := strings.Cut(line, "zocalo talk pp+"); ok {
					to = address
				}
			}
			for _, header := range []string{header1, header2} {
				cuts := []int{0, 1, 5, 6, 11, 12, 13, 16, len(header) - 1, len(header)}
				if kind == "tcp" {
					cuts = nil
					for i := range len(header) + 1 {
						cuts = append(cuts, i)
					}
				}
				for _, cut := range cuts {
					accepted := accepting(t, l)
					c := dial(t, to)
					say(t, c, header[:cut])
					if cut > 0 {
						time.Sleep(time.Millisecond) // so that it comes by itself
					}
					say(t, c, header[cut:]+"hello")
					s := <-accepted
					if s == nil {
						t.FailNow()
					}
					if s.Peer().String() != "192.0.2.1:56324" || s.Name().String() != "192.0.2.2:443" {
						t.Fatalf("%s, cut after %d: %v to %v", kind, cut, s.Peer(), s.Name())
					}
					hears(t, s, "hello")
					s.Shutdown(socket.ShutdownWrite)
					if _, err := c.Read(make([]byte, 1)); err != io.EOF {
						t.Errorf("the client reads %v", err)
					}
					say(t, c, "more")
					hears(t, s, "more")
					c.Close()
					s.Close()
				}
			}
		}
	}
}

// A prefix layer steps aside: what it leaves is a descriptor.
func TestAside(t *testing.T) {
	l, _ := listen(t, "pp+tcp:127.0.0.1:0")
	c := dial(t, "pp+tcp:"+l.Name().String())
	s := accept(t, l)
	if s.Peer() != c.Name() || s.Name() != c.Peer() {
		t.Errorf("%v to %v, want the client's own names, %v to %v", s.Peer(), s.Name(), c.Name(), c.Peer())
	}
	for _, s := range []*socket.Socket{c, s} {
		fd, err := s.Detach()
		if err != nil {
			t.Fatal(err)
		}
		os.NewFile(uintptr(fd), "").Close()
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ options, say, want string }{
		"absent":    {"", "GET / HTTP/1.1\r\n\r\n", "sent no PROXY header"},
		"malformed": {"", "PROXY TCP4 1 2 3 4\r\n", "malformed"},
		"oversized": {",pp=accept", "PROXY UNKNOWN " + strings.Repeat("x", 107), "more than 107 bytes"},
		"huge":      {"", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff", "more than the 4096"},
		"nothing":   {"", "END", "before its PROXY header"},
		"cut":       {"", "PROXY TCP4 END", "within its PROXY header"},
		"late":      {",handshake-timeout=100ms", "PROXY ", "did not finish the handshake within 100 ms"},
		"slow":      {",pp=accept,handshake-timeout=100ms", "PROXY ", "did not finish the handshake within 100 ms"},
		"stranger":  {",pp-from=192.0.2.0/24,pp-from=::1", header1, "headers from 127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			l, failed := listen(t, "pp+tcp:127.0.0.1:0"+c.options)
			accepted := make(chan error, 1)
			go func() {
				_, err := l.Accept(t.Context())
				accepted <- err
			}()
			s := dial(t, "tcp:"+l.Name().String())
			text, end := strings.CutSuffix(c.say, "END")
			say(t, s, text)
			if end {
				s.Shutdown(socket.ShutdownWrite)
			}
			select {
			case err := <-failed:
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "pp: ") {
					t.Errorf("%v, want one of %q", err, c.want)
				}
			case err := <-accepted:
				t.Errorf("it was accepted: %v", err)
			}
			if n, err := s.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Errorf("the client reads %d, %v", n, err)
			}
		})
	}
}

// With pp=accept a connection without a header is one as it came, and so is one from
// somebody whose headers are not trusted.
func TestAccept(t *testing.T) {
	for options, hello := range map[string]string{
		",pp=accept":                       "SSH-2.0-test",
		",pp=accept,pp-from=127.0.0.1":     "PRO, and not PROXY",
		",pp=accept,pp-from=192.0.2.0/24":  header1,
		",pp=accept,handshake-timeout=20s": "\r\n\r\nand so on",
	} {
		l, _ := listen(t, "pp+tcp:127.0.0.1:0"+options)
		c := dial(t, "tcp:"+l.Name().String())
		say(t, c, hello)
		s := accept(t, l)
		if s.Peer() != c.Name() {
			t.Errorf("%s: the peer is %v, want %v", options, s.Peer(), c.Name())
		}
		hears(t, s, hello)
	}
}

// With pp=accept a client that waits for the server to speak is served, over TLS too.
func TestSilent(t *testing.T) {
	for _, way := range []struct{ listen, scheme, options string }{
		{"pp+tcp:127.0.0.1:0,pp=accept,handshake-timeout=2s", "tcp:", ""},
		{"pp+tls+tcp:127.0.0.1:0,pp=accept,handshake-timeout=4s", "tls:", ",verify=no"},
	} {
		l, _ := listen(t, way.listen)
		accepted := accepting(t, l)
		c := dial(t, way.scheme+l.Name().String()+way.options)
		s := <-accepted
		if s == nil {
			t.FailNow()
		}
		if s.Peer() != c.Name() {
			t.Errorf("%s: the peer is %v, want %v", way.listen, s.Peer(), c.Name())
		}
		say(t, s, "220 hello")
		hears(t, c, "220 hello")
		say(t, c, "PROXY is what it says")
		hears(t, s, "PROXY is what it says")
	}
}

// Who dials for somebody tells of that one, by either version.
func TestOrigin(t *testing.T) {
	peer, _ := socket.UnixName("/run/client")
	local, _ := socket.UnixName("@server")
	facts := []socket.Fact{{Variable: "SSL_PROTOCOL", Value: "TLSv1.3"}, {Variable: "SSL_TLS_SNI", Value: "example.org"}}
	l, _ := listen(t, "pp+tcp:127.0.0.1:0")
	ctx := scheme.WithOrigin(t.Context(), scheme.Origin{Peer: peer, Local: local, Facts: facts})
	c, err := zocalo.Dial(ctx, "pp+tcp:"+l.Name().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := accept(t, l)
	if s.Peer() != peer || s.Name() != local {
		t.Errorf("%v to %v", s.Peer(), s.Name())
	}
	told := fmt.Sprint(s.Facts())
	for _, f := range append(facts, socket.Fact{Variable: "PROXY_PEER", Value: c.Name().String()}) {
		if !slices.ContainsFunc(s.Facts(), func(g socket.Fact) bool { return g.Variable == f.Variable && g.Value == f.Value }) {
			t.Errorf("%v is not among %s", f, told)
		}
	}

	// Version 1 has no words for unix.
	c, err = zocalo.Dial(ctx, "pp+tcp:"+l.Name().String()+",pp=1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s := accept(t, l); s.Peer() != c.Name() {
		t.Errorf("the peer is %v, want %v", s.Peer(), c.Name())
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"pp+udp:127.0.0.1:1":                  "datagrams have no connection",
		"pp+unix-seqpacket:/run/x":            "it needs a stream",
		"pp+tcp:127.0.0.1:1,pp=require":       "pp=require is for a listener",
		"pp+tcp:127.0.0.1:1,pp=3":             "must be 1 or 2",
		"pp+tcp:127.0.0.1:1,pp-from=10.0.0.0": "pp-from",
	} {
		if s, err := zocalo.Dial(t.Context(), text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for text, want := range map[string]string{
		"pp+tcp:127.0.0.1:0,pp=2":               "pp=2 is for a client",
		"pp+tcp:127.0.0.1:0,pp-from=10.0.0.1/8": "bits set beyond its prefix",
		"pp+tcp:127.0.0.1:0,pp-from=home":       "must be an address",
	} {
		if l, err := zocalo.Listen(t.Context(), text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", text, l, err)
		}
	}
}

// Clients that connect and say nothing, or not all, cost their places and nobody
// else's.
func TestStalled(t *testing.T) {
	l, failed := listen(t, "pp+tcp:127.0.0.1:0")
	go func() {
		for range failed { // those that gave way
		}
	}()
	accepted := accepting(t, l)
	for i := range *stalled {
		c, err := net.Dial("tcp", l.Name().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			io.WriteString(c, header1[:i%len(header1)])
		}
	}
	c := dial(t, "tcp:"+l.Name().String())
	say(t, c, header1+"hello")
	s := <-accepted
	if s == nil {
		t.FailNow()
	}
	hears(t, s, "hello")
}
