package proxyproto

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"zocalo/socket"
)

func inet(text string) socket.Name { return socket.InetName(netip.MustParseAddrPort(text)) }

func unix(t testing.TB, path string) socket.Name {
	n, err := socket.UnixName(path)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// binary2 is a header of version 2 with that command, family and rest.
func binary2(command, family byte, rest string) string {
	b := append([]byte(signature2), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(rest)))) + rest
}

// inet4 are the addresses 192.0.2.1:56324 and 192.0.2.2:443.
const inet4 = "\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb"

func TestParse(t *testing.T) {
	path := func(p string) string { return p + strings.Repeat("\x00", unixLength-len(p)) }
	told := func(peer, local socket.Name) header { return header{told: true, peer: peer, local: local} }
	v4 := told(inet("192.0.2.1:56324"), inet("192.0.2.2:443"))
	for name, c := range map[string]struct {
		text string
		want header
	}{
		"v1":             {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", v4},
		"v1 IPv6":        {"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", told(inet("[2001:db8::1]:1"), inet("[::1]:65535"))},
		"v1 mapped":      {"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 56324 443\r\n", v4},
		"v1 unknown":     {"PROXY UNKNOWN\r\n", header{}},
		"v1 unknown etc": {"PROXY UNKNOWN ffff:f...f:ffff ffff 65535 65535\r\n", header{}},
		"v1 longest":     {"PROXY UNKNOWN " + strings.Repeat("x", longest1-16) + "\r\n", header{}},
		"v2":             {binary2(commandProxy, 0x11, inet4), v4},
		"v2 datagrams":   {binary2(commandProxy, 0x12, inet4), v4},
		"v2 local":       {binary2(commandLocal, 0x11, inet4+"junk"), header{}},
		"v2 local odd":   {binary2(commandLocal, 0xff, "x"), header{}},
		"v2 none":        {binary2(commandProxy, 0x00, "what is this"), header{}},
		"v2 none, empty": {binary2(commandProxy, 0x00, ""), header{}},
		"v2 unix":        {binary2(commandProxy, 0x31, path("/run/a")+path("\x00abstract")), told(unix(t, "/run/a"), unix(t, "@abstract"))},
		"v2 no path":     {binary2(commandProxy, 0x31, path("")+path("/run/b")), told(unix(t, ""), unix(t, "/run/b"))},
		"v2 longest":     {binary2(commandLocal, 0, strings.Repeat("x", longest2-fixed2)), header{}},
	} {
		t.Run(name, func(t *testing.T) {
			const data = "SSH-2.0 and more"
			h, n, err := parse([]byte(c.text + data))
			if err != nil || n != len(c.text) || h.told != c.want.told || h.peer != c.want.peer || h.local != c.want.local {
				t.Errorf("%v to %v (%v), %d of %d bytes, %v", h.peer, h.local, h.told, n, len(c.text), err)
			}
			for cut := range len(c.text) {
				if _, n, err := parse([]byte(c.text[:cut])); n != 0 || err != nil {
					t.Fatalf("cut after %d bytes: %d, %v", cut, n, err)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"other protocol":   "GET / HTTP/1.1\r\n",
		"lower case":       "proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
		"no CR":            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
		"v1 too long":      "PROXY UNKNOWN " + strings.Repeat("x", longest1),
		"v1 too long line": "PROXY UNKNOWN " + strings.Repeat("x", longest1-15) + "\r\n",
		"v1 no words":      "PROXY \r\n",
		"v1 two spaces":    "PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n",
		"v1 more words":    "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
		"v1 family":        "PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
		"v1 wrong family":  "PROXY TCP4 ::1 ::1 1 1\r\n",
		"v1 zone":          "PROXY TCP6 fe80::1%lo fe80::1 1 1\r\n",
		"v1 port":          "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
		"v1 port zero":     "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
		"v1 port sign":     "PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n",
		"v2 version":       binary2(0x11, 0x11, inet4),
		"v2 command":       binary2(0x22, 0x11, inet4),
		"v2 family":        binary2(commandProxy, 0x41, inet4),
		"v2 transport":     binary2(commandProxy, 0x13, inet4),
		"v2 short":         binary2(commandProxy, 0x21, inet4),
		"v2 too long":      binary2(commandLocal, 0, strings.Repeat("x", longest2-fixed2+1)),
		"v2 TLV cut":       binary2(commandProxy, 0x11, inet4+"\x01\x00\x03h2"),
		"v2 TLV stub":      binary2(commandProxy, 0x11, inet4+"\x01\x00"),
		"v2 unique ID":     binary2(commandProxy, 0x11, inet4+"\x05\x00\x81"+strings.Repeat("x", 129)),
		"v2 checksum":      binary2(commandProxy, 0x11, inet4+"\x03\x00\x04\x01\x02\x03\x04"),
		"v2 checksum size": binary2(commandProxy, 0x11, inet4+"\x03\x00\x02\x01\x02"),
		"v2 SSL":           binary2(commandProxy, 0x11, inet4+"\x20\x00\x01\x01"),
		"v2 SSL inside":    binary2(commandProxy, 0x11, inet4+"\x20\x00\x08\x01\x00\x00\x00\x00\x21\x00\x05"),
	} {
		t.Run(name, func(t *testing.T) {
			if h, n, err := parse([]byte(text)); err == nil {
				t.Errorf("%+v, %d bytes", h, n)
			}
		})
	}
}

// The check value that haproxy would send: over the header with zeros in its place.
func TestChecksum(t *testing.T) {
	tlvs := "\x01\x00\x02h2\x03\x00\x04\x00\x00\x00\x00\x04\x00\x01x"
	b := []byte(binary2(commandProxy, 0x11, inet4+tlvs))
	at := bytes.Index(b, []byte("\x03\x00\x04")) + 3
	binary.BigEndian.PutUint32(b[at:], checksum(b, at))
	h, n, err := parse(b)
	if err != nil || n != len(b) || len(h.facts) != 1 || h.facts[0].Value != "h2" {
		t.Errorf("%+v, %d, %v", h, n, err)
	}
	for i := range b[fixed2:] {
		wrong := slices.Clone(b)
		wrong[fixed2+i] ^= 1
		if _, _, err := parse(wrong); err == nil && i >= len(inet4)-8 && i < len(inet4) {
			t.Errorf("byte %d was changed, and nobody saw: %s", i, hex.EncodeToString(wrong))
		}
	}
}

// What is written is read again.
func TestAppend(t *testing.T) {
	facts := []socket.Fact{
		{Variable: "SSL_ALPN", Value: "h2"}, {Variable: "SSL_TLS_SNI", Value: "example.org"}, {Variable: "UNIQUE_ID", Value: "\x00\xff"},
		{Variable: "SSL_PROTOCOL", Value: "TLSv1.3"}, {Variable: "SSL_CIPHER", Value: "TLS_AES_128_GCM_SHA256"},
		{Variable: "SSL_CLIENT_S_DN_CN", Value: "somebody"}, {Variable: "SSL_CLIENT_VERIFY", Value: "SUCCESS"},
		{Name: "elsewhere", Value: strings.Repeat("x", 5000)}, {Variable: "SSL_CIPHER", Value: strings.Repeat("x", 5000)},
	}
	for _, h := range []header{
		{told: true, peer: inet("192.0.2.1:56324"), local: inet("192.0.2.2:443"), facts: facts},
		{told: true, peer: inet("[2001:db8::1]:1"), local: inet("[::1]:2"), facts: facts},
		{told: true, peer: inet("[::ffff:192.0.2.1]:1"), local: inet("192.0.2.2:2")},
		{told: true, peer: inet("192.0.2.1:1"), local: inet("[::1]:2")},
		{told: true, peer: unix(t, "/run/a"), local: unix(t, "@b"), facts: facts},
		{told: true, peer: socket.Name{}, local: unix(t, "/run/b")},
		{told: true, peer: socket.Name{}, local: socket.Name{}},
		{told: true, peer: socket.VSockName(1, 2), local: socket.VSockName(3, 4), facts: facts},
		{},
	} {
		back, n, err := parse(h.append2(nil))
		peer, local := inetOr(h.peer), inetOr(h.local)
		if h.peer.Domain() == socket.VSock {
			peer, local = socket.Name{}, socket.Name{}
		}
		if err != nil || inetOr(back.peer) != peer || inetOr(back.local) != local {
			t.Errorf("v2: %v to %v became %v to %v, %d, %v", h.peer, h.local, back.peer, back.local, n, err)
		}
		for _, f := range h.facts[:min(len(h.facts), 7)] {
			if !slices.ContainsFunc(back.facts, func(g socket.Fact) bool { return g.Variable == f.Variable && g.Value == f.Value }) {
				t.Errorf("%v to %v: %v was lost of %v", h.peer, h.local, f, back.facts)
			}
		}
		back, _, err = parse(h.append1(nil))
		if !h.peer.AddrPort().IsValid() {
			peer, local = socket.Name{}, socket.Name{}
		}
		if err != nil || inetOr(back.peer) != peer || inetOr(back.local) != local {
			t.Errorf("v1: %v to %v became %v to %v, %v", h.peer, h.local, back.peer, back.local, err)
		}
	}
}

// inetOr is a name of the Internet without its mapping into IPv6, and no unnamed one.
func inetOr(n socket.Name) socket.Name {
	if a := n.AddrPort(); a.IsValid() {
		return socket.InetName(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	if n.String() == "" {
		return socket.Name{}
	}
	return n
}

func FuzzHeader1(f *testing.F) {
	f.Add([]byte("TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"))
	f.Add([]byte("UNKNOWN\r\n"))
	f.Fuzz(func(t *testing.T, rest []byte) { fuzzed(t, append([]byte(signature1), rest...), longest1) })
}

func FuzzHeader2(f *testing.F) {
	f.Add([]byte(binary2(commandProxy, 0x11, inet4+"\x01\x00\x02h2"))[len(signature2):])
	f.Add([]byte(binary2(commandProxy, 0x31, strings.Repeat("x", 2*unixLength)))[len(signature2):])
	f.Add([]byte(binary2(commandProxy, 0x00, "\x20\x00\x08\x01\x00\x00\x00\x00\x21\x00\x00"))[len(signature2):])
	f.Fuzz(func(t *testing.T, rest []byte) { fuzzed(t, append([]byte(signature2), rest...), longest2) })
}

// fuzzed checks that a header means the same however much comes after it, and needs
// all of itself.
func fuzzed(t *testing.T, b []byte, longest int) {
	h, n, err := parse(b)
	switch {
	case err != nil:
		return
	case n == 0 && len(b) >= longest:
		t.Fatalf("more than %d bytes are waited for", longest)
	case n > min(longest, len(b)):
		t.Fatalf("%d of %d bytes are taken", n, len(b))
	case n == 0:
		return
	}
	if _, n, err := parse(b[:n-1]); n != 0 || err != nil {
		t.Fatalf("without its last byte: %d, %v", n, err)
	}
	again, n2, err := parse(b[:n])
	if err != nil || n2 != n || again.peer != h.peer || again.local != h.local {
		t.Fatalf("alone it is %v to %v, %d, %v", again.peer, again.local, n2, err)
	}
}
