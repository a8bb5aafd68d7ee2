package zocalo_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"zocalo"
	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/option"
)

// listen returns a listener that the test closes.
func listen(t *testing.T, text string) *zocalo.Listener {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func names(l *zocalo.Listener) string {
	var texts []string
	for _, n := range l.Names() {
		texts = append(texts, n.String())
	}
	return strings.Join(texts, " ")
}

func TestListenNames(t *testing.T) {
	for _, c := range []struct {
		name, endpoint string
		taken          map[int]int
		names          string
		skipped        int
		err            error
	}{
		{name: "one", endpoint: "a.port.7", names: "a.port.7"},
		{name: "several", endpoint: "a.port.7+b.port.8", names: "a.port.7 b.port.8"},
		{name: "one number for all", endpoint: "a.port.0+b.port.0+a.port.0", names: "a.port.5000 b.port.5000 a.port.5000"},
		{name: "a domain is lacking", endpoint: "a.port.0+b.lack", names: "a.port.5000", skipped: 1},
		{name: "the first domain is lacking", endpoint: "b.lack+a.port.0+a.port.0", names: "a.port.5000 a.port.5000", skipped: 1},
		{name: "a domain has no address", endpoint: "b.absent+b.absent.2+a.port.0", names: "a.port.5000", skipped: 2},
		{name: "an address is wrong where the domain is not lacking", endpoint: "a.port.0+a.absent", err: syscall.EADDRNOTAVAIL},
		{name: "all are lacking", endpoint: "a.lack+b.absent", err: syscall.EADDRNOTAVAIL},
		{name: "one is refused", endpoint: "a.port.0+b.refuse", err: syscall.EACCES},
		{name: "another number when one is taken", endpoint: "a.port.0+b.port.0", taken: map[int]int{5000: 1, 5001: 1}, names: "a.port.5002 b.port.5002"},
		{name: "no other number for one that was asked for", endpoint: "a.port.7+b.port.7", taken: map[int]int{7: 1}, err: syscall.EADDRINUSE},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin(t)
			script.taken = c.taken
			l, err := zocalo.Listen(t.Context(), "scripted-seqpacket:"+c.endpoint)
			if c.err != nil {
				var ne *zocalo.NamesError
				if !errors.Is(err, c.err) || !errors.As(err, &ne) {
					t.Fatalf("the error is %v, want a NamesError of %v", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if got := names(l); got != c.names {
				t.Errorf("it listens on %s, want %s", got, c.names)
			}
			if got := l.Skipped(); len(got) != c.skipped {
				t.Errorf("it left out %v, want %d", got, c.skipped)
			}
			if l.Name() != l.Names()[0] || len(l.Sockets()) != len(l.Names()) {
				t.Errorf("Name is %v and there are %d sockets", l.Name(), len(l.Sockets()))
			}
		})
	}
}

// A number that is always taken must not be tried for ever.
func TestListenGivesUp(t *testing.T) {
	begin(t)
	script.taken = map[int]int{}
	for port := 5000; port < 5100; port++ {
		script.taken[port] = 1
	}
	_, err := zocalo.Listen(t.Context(), "scripted-seqpacket:a.port.0+b.port.0")
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("the error is %v, want EADDRINUSE", err)
	}
	if n := strings.Count(events(), "bind a"); n < 2 || n > 50 {
		t.Errorf("it tried %d times, want a few", n)
	}
}

func TestListenCalls(t *testing.T) {
	for _, c := range []struct{ name, address, events string }{
		{"the longest backlog, once all are bound", "scripted-seqpacket:a.port.7+b.port.7,early=x",
			lines("0s set early=x", "0s bind a.port.7", "0s set early=x", "0s bind b.port.7", "0s listen a.port.7 0", "0s listen b.port.7 0")},
		{"a backlog", "scripted-seqpacket:a.port.7,backlog=3", lines("0s bind a.port.7", "0s listen a.port.7 3")},
		{"datagrams", "scripted-dgram:a.port.7", "0s bind a.port.7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin(t)
				l, err := zocalo.Listen(t.Context(), c.address)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				if got := events(); got != c.events {
					t.Errorf("it did\n%s\nwant\n%s", got, c.events)
				}
			})
		})
	}
}

func TestListenContext(t *testing.T) {
	begin(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := zocalo.Listen(ctx, "scripted-seqpacket:a.port.7"); !errors.Is(err, context.Canceled) || events() != "" {
		t.Errorf("the error is %v after %q, want context.Canceled after nothing", err, events())
	}
}

func TestListenErrors(t *testing.T) {
	for text, want := range map[string]any{
		"nonsense:x":         new(*address.UnknownSchemeError),
		"tcp-connect:5346":   new(*address.SideError),
		"tcp:5346,backlog=x": new(*address.OptionError),
		"stdio":              new(*address.SideError),
	} {
		if _, err := zocalo.Listen(t.Context(), text); !errors.As(err, want) {
			t.Errorf("Listen(%q) fails with %T %v, want %T", text, err, err, want)
		}
	}
	for _, text := range []string{"tcp:127.0.0.1:65536", "tcp:127.0.0.1:nosuchservice", "fd:-1", "unix:"} {
		if l, err := zocalo.Listen(t.Context(), text); err == nil {
			l.Close()
			t.Errorf("Listen(%q) succeeds", text)
		}
	}
	t.Run("a taken port", func(t *testing.T) {
		l := listen(t, "tcp:127.0.0.1:0")
		_, err := zocalo.Listen(t.Context(), "tcp:"+l.Name().String())
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "choose another") || strings.Contains(err.Error(), "\n") {
			t.Errorf("the error is %v, want EADDRINUSE and what to do, in a line", err)
		}
	})
}

func TestReuseAddress(t *testing.T) {
	for _, c := range []struct {
		address string
		want    bool
	}{
		{"tcp:127.0.0.1:0", true},
		{"tcp:127.0.0.1:0,reuseaddr=0", false},
		{"udp:127.0.0.1:0", false},
		{"udp:127.0.0.1:0,reuseaddr", true},
		{"unix:" + t.TempDir() + "/s", false},
	} {
		t.Run(c.address, func(t *testing.T) {
			s := listen(t, c.address).Sockets()[0]
			if got, err := option.ReuseAddress.Get(s); err != nil || got != c.want {
				t.Errorf("SO_REUSEADDR is %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestListenWithoutConnections(t *testing.T) {
	l := listen(t, "udp:127.0.0.1:0")
	_, err := l.Accept(t.Context())
	var ue *socket.UnsupportedError
	if !errors.As(err, &ue) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Accept fails with %v, want an UnsupportedError", err)
	}
	c, err := zocalo.Dial(t.Context(), "udp:"+l.Name().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hola")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 16)
	m := socket.Message{Buffers: [][]byte{b}}
	if err := l.Sockets()[0].Receive(&m); err != nil || string(b[:m.N]) != "hola" || m.Peer != c.Name() {
		t.Errorf("received %q from %v, %v; want hola from %v", b[:m.N], m.Peer, err, c.Name())
	}
}

// The protocol of a raw socket is what the scheme makes of its options.
func TestListenRaw(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "raw:127.0.0.1,protocol=253") // for experiments, RFC 3692
	if errors.Is(err, syscall.EPERM) {
		if !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("the error is %v, want it to name the capability", err)
		}
		t.Skip("a raw socket needs CAP_NET_RAW")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := l.Sockets()[0].Kind(); got != (socket.Kind{Domain: socket.Inet, Type: socket.Raw, Protocol: 253}) {
		t.Errorf("it is %v", got)
	}
	if _, err := l.Accept(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Accept fails with %v, want ErrUnsupported", err)
	}
}

// hasIPv6 reports whether this machine has a loopback address of version 6.
func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

func TestListenOnLocalhost(t *testing.T) {
	if !hasIPv6() {
		t.Skip("this machine has no ::1, so localhost is one address")
	}
	for _, host := range []string{"", "localhost:", "any:"} {
		for _, scheme := range []string{"tcp", "udp"} {
			t.Run(scheme+":"+host, func(t *testing.T) {
				l := listen(t, scheme+":"+host+"0")
				ns := l.Names()
				if len(ns) != 2 {
					t.Fatalf("it listens on %s, want two names", names(l))
				}
				a, b := ns[0].AddrPort(), ns[1].AddrPort()
				if !a.Addr().Is4() || !b.Addr().Is6() || a.Port() == 0 || a.Port() != b.Port() {
					t.Errorf("it listens on %v and %v, want both versions, on one port", a, b)
				}
			})
		}
	}
}
