package sockstat

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"zocalo/socket/option"
)

// TestKeyOrder gives each column sockets in the order that it has for them, and
// compares their keys, alone, with another key behind them, and inverted.
func TestKeyOrder(t *testing.T) {
	name := func(addr string) Name { return Name{Addr: netip.MustParseAddrPort(addr)} }
	for column, ordered := range map[string][]*Socket{
		"kind":  {{Kind: TCP}, {Kind: MPTCP}, {Kind: Unix}, {Kind: Vsock}},
		"state": {{State: Established}, {State: TimeWait}, {State: Listen}},
		"recvq": {{RecvQ: 0}, {RecvQ: 255}, {RecvQ: 256}, {RecvQ: 1<<32 - 1}},
		"uid":   {{}, {HasUID: true}, {HasUID: true, UID: 7}},
		"local": {
			{}, {Local: Name{Path: "a"}}, {Local: Name{Path: "a\x00"}}, {Local: Name{Path: "a\x00b"}}, {Local: Name{Path: "a\x01"}},
			{Local: Name{Path: "aa"}}, {Local: Name{Path: "a\xff"}}, {Local: Name{Path: "a", Abstract: true}},
			{Local: Name{Port: 1}}, {Local: Name{CID: 2}}, {Local: Name{CID: AnyCID}},
			{Local: name("0.0.0.0:0")}, {Local: name("9.0.0.1:80")}, {Local: name("10.0.0.1:80")}, {Local: name("10.0.0.1:443")},
			{Local: name("[::]:1")}, {Local: name("[::ffff:1.2.3.4]:0")}, {Local: name("[fe80::1]:9")},
			{Local: name("[fe80::1%a]:9")}, {Local: name("[fe80::1%b]:9")}, {Local: name("[ff02::1]:9")},
		},
		"raddr":  {{}, {Peer: name("9.0.0.1:80")}, {Peer: name("10.0.0.1:7")}, {Peer: name("[::1]:1")}},
		"pid":    {{}, {Holders: []Holder{{PID: 9}}}, {Holders: []Holder{{PID: 10}}}},
		"fd":     {{}, {Holders: []Holder{{FD: 0}}}, {Holders: []Holder{{FD: 10}}}},
		"user":   {{}, {User: "a"}, {User: "b"}},
		"v6only": {{}, {V6Only: true}},
		"rtt":    {{}, {Kind: TCP, State: Established, TCPInfo: &option.TCPInfo{}}, {Kind: TCP, State: Established, TCPInfo: &option.TCPInfo{RTT: 1e9}}},
	} {
		c := findColumn(column)
		invert := func(b []byte) []byte {
			for i := range b {
				b[i] ^= 0xff
			}
			return b
		}
		for i, a := range ordered {
			for j, b := range ordered {
				want := min(max(i-j, -1), 1)
				if got := c.Compare(a, b); got != want {
					t.Errorf("%s: Compare of socket %d and %d is %d, want %d", column, i, j, got, want)
				}
				// The second key says the contrary, and must count only where the first is the same.
				ka, kb := append(c.AppendKey(nil, a), byte(j)), append(c.AppendKey(nil, b), byte(i))
				if got := bytes.Compare(ka, kb); got != want {
					t.Errorf("%s: keys of socket %d and %d compare to %d, want %d", column, i, j, got, want)
				}
				ka, kb = invert(c.AppendKey(nil, a)), invert(c.AppendKey(nil, b))
				if got := bytes.Compare(slices.Concat(ka, []byte{0}), slices.Concat(kb, []byte{0})); got != -want {
					t.Errorf("%s: inverted keys of socket %d and %d compare to %d, want %d", column, i, j, got, -want)
				}
			}
		}
	}
}
