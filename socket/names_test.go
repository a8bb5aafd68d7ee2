package socket_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// resolved reads a name's text as an address does.
func resolved(t testing.TB, word, text string) (socket.Name, error) {
	s, ok := scheme.Lookup(word)
	if !ok {
		t.Fatal("no scheme " + word)
	}
	names, err := s.Resolve(t.Context(), scheme.Target{Endpoint: text, Passive: true})
	if err != nil {
		return socket.Name{}, err
	}
	return names[0], nil
}

// Every name that can be said is read again from what String writes.
func FuzzNames(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1}, uint16(5346), uint32(1), "/run/x.sock")
	f.Add(make([]byte, 16), uint16(0), uint32(0xffffffff), "@abstract")
	f.Add([]byte("\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), uint16(65535), uint32(2), "")
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04"), uint16(1), uint32(0), "@")
	f.Fuzz(func(t *testing.T, ip []byte, port uint16, cid uint32, path string) {
		again := func(word string, n socket.Name) {
			// An address writes a comma twice.
			got, err := resolved(t, word, strings.ReplaceAll(n.String(), ",,", ","))
			if err != nil || got != n {
				t.Errorf("%s:%v became %v, %v", word, n, got, err)
			}
			if raw, err := n.AppendSockaddr(nil); err != nil || socket.SockaddrName(raw) != n {
				t.Errorf("%s:%v as the system has it is % x, %v", word, n, raw, err)
			}
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			n := socket.InetName(netip.AddrPortFrom(a, port))
			if n.AddrPort() != netip.AddrPortFrom(a, port) {
				t.Errorf("%v:%d became %v", a, port, n.AddrPort())
			}
			again("tcp", n)
			if got, err := socket.NameOf(n.NetAddr(tcp.Kind)); err != nil || !a.Is4In6() && got != n {
				t.Errorf("%v became %v, %v", n, got, err)
			}
		}
		again("vsock", socket.VSockName(cid, uint32(port)))
		n, err := socket.UnixName(path)
		if err != nil {
			if len(path) < 108 && !strings.Contains(path, "\x00") {
				t.Errorf("%q: %v", path, err)
			}
			return
		}
		if n.Path() != path || n.String() != strings.ReplaceAll(path, ",", ",,") {
			t.Errorf("%q became %q", path, n.Path())
		}
		if path != "" && path != "@" {
			again("unix", n)
		}
	})
}

// What people write for a name, good or bad, never panics, and what is taken
// can be said.
func FuzzResolve(f *testing.F) {
	for _, text := range []string{"127.0.0.1:80", "[::1]:http", "::1:80", "fe80::1%lo:9", ":0", "any:1", "1:2", "local:any", "/x", "@y", "65536", "-1", "%", "[", "a%b:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that no host's name is looked up
		for _, word := range []string{"tcp", "udp4", "tcp6", "vsock", "unix"} {
			sc, _ := scheme.Lookup(word)
			for _, passive := range []bool{false, true} {
				names, err := sc.Resolve(ctx, scheme.Target{Endpoint: text, Passive: passive})
				for _, n := range names {
					if err == nil && n.String() == "" {
						t.Errorf("%s:%s became a name without text", word, text)
					}
				}
			}
		}
	})
}

func FuzzCodecs(f *testing.F) {
	for _, text := range []string{"64KiB", "1MB", "9223372036854775807", "8388608TiB", "-1", "5s", "1m30s", "1e300", "NaN", "Inf", "0x10", "on", "0660", "tcp", "262"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := codec.ParseSize(text); err == nil {
			if again, err := codec.ParseSize(codec.FormatSize(n)); err != nil || again != n || n < 0 {
				t.Errorf("size %q is %d, then %d, %v", text, n, again, err)
			}
		}
		if d, err := codec.ParseDuration(text); err == nil {
			if again, err := codec.ParseDuration(d.String()); err != nil || again != d || d < 0 {
				t.Errorf("duration %q is %v, then %v, %v", text, d, again, err)
			}
		}
		var p, again socket.Protocol
		if p.UnmarshalText([]byte(text)) == nil {
			if err := again.UnmarshalText([]byte(p.String())); err != nil || again != p {
				t.Errorf("protocol %q is %v, then %v, %v", text, p, again, err)
			}
		}
		if m, err := codec.ParseFileMode(text); err == nil {
			if again, err := codec.ParseFileMode(codec.FormatFileMode(m)); err != nil || again != m {
				t.Errorf("mode %q is %v, then %v, %v", text, m, again, err)
			}
		}
		for _, s := range scheme.All() {
			for _, o := range s.Options {
				if v, err := o.Parse(text); err == nil {
					if _, err := o.Parse(o.Format(v)); err != nil {
						t.Errorf("option %s=%s became %s: %v", o.Name, text, o.Format(v), err)
					}
				}
			}
		}
	})
}

func TestInteger(t *testing.T) {
	for text, want := range map[string]int{"10": 10, "010": 10, "-3": -3, "0x1F": 31, "0Xff": 255} {
		if n, err := codec.Integer.Parse(text); n != want || err != nil {
			t.Errorf("%q is %d, %v, want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "0x", "0x-1", "1_000", "0b1", "2147483648", "ten"} {
		if n, err := codec.Integer.Parse(text); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
}

func TestNameOf(t *testing.T) {
	mapped := net.IPv4(127, 0, 0, 1) // in 16 bytes
	for _, a := range []net.Addr{
		&net.TCPAddr{IP: mapped, Port: 9}, &net.UDPAddr{IP: mapped, Port: 9}, socket.NameAddr{Name: loopback(9)},
	} {
		if n, err := socket.NameOf(a); n != loopback(9) || err != nil {
			t.Errorf("%T %v has the name %v, %v", a, a, n, err)
		}
	}
	for _, a := range []net.Addr{
		nil, (*net.TCPAddr)(nil), (*net.UDPAddr)(nil), (*net.IPAddr)(nil), (*net.UnixAddr)(nil),
		&net.TCPAddr{Port: 9}, &net.UDPAddr{Port: 9}, &net.IPAddr{}, &net.IPNet{},
	} {
		if n, err := socket.NameOf(a); err == nil {
			t.Errorf("%T %v has the name %v", a, a, n)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"5": 5 * time.Second, "0.5": 500 * time.Millisecond, "5s": 5 * time.Second, "0": 0} {
		if d, err := codec.ParseDuration(text); err != nil || d != want {
			t.Errorf("%q is %v, %v; want %v", text, d, err, want)
		}
	}
	for _, text := range []string{"", "-1", "-5s", "5x", "NaN", "Inf", "1e300", "9999999999999999"} {
		if d, err := codec.ParseDuration(text); err == nil {
			t.Errorf("%q is %v", text, d)
		}
	}
}

// Domains that one family has are told from each other.
func TestDomainNames(t *testing.T) {
	for d, want := range map[socket.Domain]string{
		socket.Unix: "unix", socket.Inet: "inet", socket.Inet6: "inet6", socket.VSock: "vsock",
		socket.Packet: "packet", 999: "999",
	} {
		if d.String() != want {
			t.Errorf("%q, want %q", d, want)
		}
	}
	err := udp.open(t).Bind(loopback6(0))
	if err == nil || !strings.Contains(err.Error(), "a name of domain inet6 on a socket of domain inet:") {
		t.Errorf("an IPv6 name on an IPv4 socket: %v", err)
	}
}
