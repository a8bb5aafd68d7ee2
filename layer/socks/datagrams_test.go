package socks

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// Whatever the type of the address that an answer comes from, its data is what follows.
func TestDatagramHeaders(t *testing.T) {
	far, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := bound(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	if err := near.Connect(t.Context(), socket.InetName(far.LocalAddr().(*net.UDPAddr).AddrPort())); err != nil {
		t.Fatal(err)
	}
	near.SetDeadline(time.Now().Add(10 * time.Second))
	d := &datagrams{}
	d.udp = near
	to := near.Name().AddrPort()
	for _, bad := range []string{"", "\x00", "\x00\x00\x01\x01\x7f\x00\x00\x01\x00\x01", "\x00\x00\x00\x09\x7f\x00\x00\x01\x00\x01", "\x00\x00\x00\x04\x7f\x00\x00\x01\x00\x01"} {
		far.WriteToUDPAddrPort([]byte(bad), to)
	}
	for _, host := range []string{"127.0.0.1", "2001:db8::1", "a", "ab", "abc", "abcd", "a.name", strings.Repeat("n", 250)} {
		for _, size := range []int{0, 1, 5, 100, 3000} {
			data := strings.Repeat("0123456789", size)[:size]
			far.WriteToUDPAddrPort(append(appendDestination([]byte{0, 0, 0}, proxy.Destination{Host: host, Port: 7}), data...), to)
			b := make([]byte, size+size%2)
			if n, err := d.Read(b); string(b[:n]) != data || err != nil {
				t.Errorf("%s, %d bytes: %d, %v", host, size, n, err)
			}
			if size < 5 {
				continue
			}
			far.WriteToUDPAddrPort(append(appendDestination([]byte{0, 0, 0}, proxy.Destination{Host: host, Port: 7}), data...), to)
			if n, err := d.Read(b[:3]); string(b[:n]) != data[:3] || err != socket.ErrTruncated {
				t.Errorf("%s, %d bytes in 3: %q, %v", host, size, b[:n], err)
			}
		}
	}
}

// What is read of a header is what is written of it.
func FuzzDatagramHeader(f *testing.F) {
	for _, seed := range []string{"\x01\x7f\x00\x00\x01\x00\x50data", "\x03\x02db\x00\x50", "\x04", "\x03\xff", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, rest, ok := parseDestination(b)
		if !ok || d.Check() != nil {
			return
		}
		again, left, ok := parseDestination(append(appendDestination(nil, d), rest...))
		if !ok || again != d || string(left) != string(rest) {
			t.Fatalf("%q is %v and %q, and then %v and %q", b, d, rest, again, left)
		}
	})
}
