package iso

import (
	"net/netip"
	"strings"
	"testing"

	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

func TestParseSelector(t *testing.T) {
	for _, c := range []struct{ text, want, prints string }{
		{"", "", ""},
		{"0x0302", "\x03\x02", "0x0302"},
		{"0X0AfF", "\x0a\xff", "0x0aff"},
		{"rack0slot2", "\x01\x02", "0x0102"},
		{"Rack1Slot31", "\x01\x3f", "0x013f"},
		{"op-rack0slot2", "\x02\x02", "0x0202"},
		{"basic-rack0slot2", "\x03\x02", "0x0302"},
		{`"text"`, "text", "text"},
		{"text", "text", "text"},
		{"MMS-1.a_b", "MMS-1.a_b", "MMS-1.a_b"},
		{"with space", "with space", "0x77697468207370616365"},
		{`"0x0302"`, "0x0302", "0x307830333032"},
		{`"rack0slot2"`, "rack0slot2", "0x7261636b30736c6f7432"},
		{"rackety", "rackety", "rackety"},
		{strings.Repeat("a", 32), strings.Repeat("a", 32), strings.Repeat("a", 32)},
	} {
		got, err := ParseSelector(c.text)
		if err != nil || string(got) != c.want {
			t.Errorf("%q is %q, %v, want %q", c.text, got, err, c.want)
			continue
		}
		if got.String() != c.prints {
			t.Errorf("%q prints as %q, want %q", c.text, got.String(), c.prints)
		}
		if again, err := ParseSelector(got.String()); err != nil || again != got {
			t.Errorf("%q prints as %q, which is %q, %v", c.text, got.String(), again, err)
		}
	}
	for _, text := range []string{"0x", "0x1", "0xzz", "rack8slot1", "rack0slot32", strings.Repeat("a", 33), "0x" + strings.Repeat("00", 33)} {
		if got, err := ParseSelector(text); err == nil {
			t.Errorf("%q is accepted as %q", text, got)
		}
	}
	if s, err := RackSlot(1, 2); err != nil || s != "\x01\x22" {
		t.Errorf("rack 1 slot 2 is %q, %v", s, err)
	}
	if _, err := RackSlot(-1, 2); err == nil {
		t.Error("rack -1 is accepted")
	}
}

func FuzzSelector(f *testing.F) {
	f.Add("0x0302", []byte{3, 2})
	f.Add("rack0slot2", []byte("rack1slot1"))
	f.Fuzz(func(t *testing.T, text string, bytes []byte) {
		if s, err := ParseSelector(text); err == nil {
			if again, err := ParseSelector(s.String()); err != nil || again != s {
				t.Errorf("%q is %q, which prints as %q, which is %q, %v", text, string(s), s.String(), string(again), err)
			}
		}
		if len(bytes) > MaxSelector {
			return
		}
		n, err := MakeName(netip.MustParseAddrPort("[fe80::1]:102"), Selector(bytes))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseName(n.String()); err != nil || again != n {
			t.Errorf("%x prints as %v, which is %v, %v", bytes, n, again, err)
		}
	})
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		at     string
		s      Selector
		domain socket.Domain
		prints string
	}{
		{"127.0.0.1:102", "", Domain, "127.0.0.1:102"},
		{"127.0.0.1:102", "\x03\x02", Domain, "127.0.0.1:102,tsap=0x0302"},
		{"[::1]:10102", "a,b", Domain6, "[::1]:10102,tsap=0x612c62"},
		{"[::1]:10102", Selector(strings.Repeat("\x00", MaxSelector)), Domain6, "[::1]:10102,tsap=0x" + strings.Repeat("00", MaxSelector)},
	} {
		at := netip.MustParseAddrPort(c.at)
		n := mustName(t, at, c.s)
		if n.Domain() != c.domain || n.String() != c.prints || AddrPort(n) != at || SelectorOf(n) != c.s {
			t.Errorf("%s with %q: domain %v, %v, address %v, selector %q, want it to print as %s", c.at, string(c.s), n.Domain(), n, AddrPort(n), string(SelectorOf(n)), c.prints)
		}
		if again, err := ParseName(n.String()); err != nil || again != n {
			t.Errorf("%v is read as %v, %v", n, again, err)
		}
		if a := n.NetAddr(socket.Kind{Domain: c.domain, Type: socket.SeqPacket}); a.Network() != "iso" || a.String() != c.prints {
			t.Errorf("its net.Addr is %s %s", a.Network(), a)
		}
	}
	if _, err := MakeName(loopback, Selector(strings.Repeat("a", 33))); err == nil {
		t.Error("a selector of 33 bytes is accepted")
	}
	for _, text := range []string{"", "x", "127.0.0.1", "127.0.0.1:102,rack=1", "127.0.0.1:102,tsap=0x1"} {
		if n, err := ParseName(text); err == nil {
			t.Errorf("%q is accepted as %v", text, n)
		}
	}
	if SelectorOf(socket.VSockName(1, 2)) != "" || AddrPort(socket.VSockName(1, 2)).IsValid() {
		t.Error("a vsock name has an address here")
	}
}

func TestResolve(t *testing.T) {
	s, ok := scheme.Lookup("iso")
	if !ok {
		t.Fatal("no scheme iso")
	}
	tsap := option.Setting{Spec: CalledSelector.Spec, Value: Selector("\x01\x02")}
	for _, c := range []struct {
		endpoint string
		passive  bool
		want     string
	}{
		{"127.0.0.1", false, "127.0.0.1:102,tsap=0x0102"},
		{"127.0.0.1:10102", false, "127.0.0.1:10102,tsap=0x0102"},
		{"::1", false, "[::1]:102,tsap=0x0102"},
		{"[::1]", false, "[::1]:102,tsap=0x0102"},
		{"[::1]:10102", false, "[::1]:10102,tsap=0x0102"},
		{"localhost", false, "127.0.0.1:102,tsap=0x0102 [::1]:102,tsap=0x0102"},
		{"any", true, "0.0.0.0:102,tsap=0x0102 [::]:102,tsap=0x0102"},
		{"10102", true, "127.0.0.1:10102,tsap=0x0102 [::1]:10102,tsap=0x0102"},
	} {
		names, err := s.Resolve(t.Context(), scheme.Target{Endpoint: c.endpoint, Passive: c.passive, Settings: option.Settings{tsap}})
		var text []string
		for _, n := range names {
			text = append(text, n.String())
		}
		if got := strings.Join(text, " "); err != nil || got != c.want {
			t.Errorf("%s is %s, %v, want %s", c.endpoint, got, err, c.want)
		}
	}
}
