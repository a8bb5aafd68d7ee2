package xns

import (
	"strings"
	"testing"

	"zocalo/address"
	"zocalo/socket"
)

func TestParseAddr(t *testing.T) {
	mac := HostID{0x02, 0x60, 0x8c, 0x12, 0x34, 0x56}
	for _, c := range []struct {
		text, canonical string
		want            Addr
	}{
		{"41a#2-852-151-014#5", "41A#AA005EE6#5", Addr{0x41a, HostID{0, 0, 0xaa, 0, 0x5e, 0xe6}, 5}},
		{"2-273#0#5", "8E1#0#5", Addr{2273, HostID{}, 5}},
		{"0x41a#02608c123456#0", "41A#2608C123456#0", Addr{0x41a, mac, 0}},
		{"41A#2.60.8c.12.34.56#5346", "41A#2608C123456#5346", Addr{0x41a, mac, 5346}},
		{"41A#02:60:8C:12:34:56#5H", "41A#2608C123456#5", Addr{0x41a, mac, 5}},
		{"41A.2608C123456.5H", "41A#2608C123456#5", Addr{0x41a, mac, 5}},
		{"41A:2.60.8c.12.34.56:5", "41A#2608C123456#5", Addr{0x41a, mac, 5}},
		{"16#10h#010", "10H#10H#8", Addr{16, HostID{5: 16}, 8}},
		{"089#0#089", "59H#0#89", Addr{89, HostID{}, 89}},
		{"##5346", "0#0#5346", Addr{0, HostID{}, 5346}},
		{"7", "7#0#0", Addr{Net: 7}},
		{"", "0#0#0", Addr{}},
		{"4294967295#ffffffffffff#65535", "FFFFFFFF#FFFFFFFFFFFF#65535", Addr{0xffffffff, Broadcast, 65535}},
		{"0#281-474-976-710-655#0", "0#FFFFFFFFFFFF#0", Addr{0, Broadcast, 0}},
	} {
		got, err := ParseAddr(c.text)
		if err != nil || got != c.want || got.String() != c.canonical {
			t.Errorf("%q is %v, %v, want %s", c.text, got, err, c.canonical)
		}
	}
	for text, problem := range map[string]string{
		"1#2#3#4":                                "4 fields",
		"0#0#65536":                              "more than 2 bytes",
		"0#0#5x":                                 "not a number",
		"0#0#+5":                                 "not a number",
		"4294967296#0#0":                         "more than 4 bytes",
		"1-2345#0#0":                             "groups",
		"1--2#0#0":                               "groups",
		"0#1.2.3.4.5.6.7":                        "more than 6 bytes",
		"0#1..2#0":                               "nothing between",
		"0#1.g.2#0":                              "hexadecimal",
		"0#1.123.2#0":                            "hexadecimal",
		"0x#0#0":                                 "not a number",
		"h#0#0":                                  "not a number",
		"18446744073709551616#0#0":               "too large",
		"0#281-474-976-710-656#0":                "more than",
		"99-999-999-999-999-999-999-999-999#0#0": "more than",
	} {
		if got, err := ParseAddr(text); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q is %v, %v, want an error with %q", text, got, err, problem)
		}
	}
}

func FuzzParseAddr(f *testing.F) {
	for _, s := range []string{"41a#2-852-151-014#5", "2.60.8c.12.34.56", "1:2:3", "0x1#0h#017", "#.:-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddr(text)
		if err != nil {
			return
		}
		if again, err := ParseAddr(a.String()); err != nil || again != a {
			t.Errorf("%q is %v, which is %v, %v", text, a, again, err)
		}
		if b, ok := AddrOf(a.Name()); !ok || b != a {
			t.Errorf("the name of %v has %v", a, b)
		}
	})
}

func TestSchemes(t *testing.T) {
	for word, kind := range map[string]socket.Type{"spp": socket.SeqPacket, "spp-stream": socket.Stream, "idp": socket.Datagram} {
		a, err := address.Parse(word + ":0#1#5346,link=memory:x,mtu=100")
		if err != nil {
			t.Fatal(err)
		}
		target, err := a.Target(false)
		if err != nil {
			t.Fatal(err)
		}
		names, err := a.Scheme.Resolve(t.Context(), target)
		if err != nil || len(names) != 1 || names[0].String() != "0#1#5346" {
			t.Errorf("%v means %v, %v", a, names, err)
		}
		k := a.Scheme.KindFor(target, names[0])
		if k.Type != kind || k.String() != word || k.Arguments()[:6] != "AF_NS," {
			t.Errorf("%s makes %v, %s", word, k, k.Arguments())
		}
		if again, err := address.Parse(a.String()); err != nil || again.String() != a.String() {
			t.Errorf("%v prints as %v, %v", a, again, err)
		}
	}
	for text, problem := range map[string]string{
		"spp:5346":                 "##5346",
		"spp:##5346":               "no host",
		"spp:0#1":                  "no socket",
		"spp:0#1#5,link=tape":      "not one of",
		"spp:0#1#5,link=hub":       "hub:HOST:PORT",
		"spp:0#1#5,datastream=254": "253",
		"idp:0#1#5,window=3":       "window",
		"spp:0#1#5,window=0":       "not from 1 to 512",
	} {
		a, err := address.Parse(text)
		if err == nil {
			target, _ := a.Target(false)
			_, err = a.Scheme.Resolve(t.Context(), target)
		}
		if err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: %v, want an error with %q", text, err, problem)
		}
	}
}
