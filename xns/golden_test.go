package xns

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The frames were accepted or produced by an independent implementation of
// XNS, Dodo, on Ethernet and network 41A.
var (
	guest  = HostID{0x10, 0, 0xbb, 0x10, 0x11, 1}
	client = Addr{0x41a, HostID{2, 0, 0xc0, 0xff, 0xee, 1}, 5000}
)

type goldenFrame struct {
	name     string
	frame    string
	to, from HostID
	header   Header
	spp      SPPHeader
	data     string
}

func goldenFrames() []goldenFrame {
	server := Addr{0x41a, guest, 0x4000}
	at := func(n uint16) Addr { return Addr{0x41a, guest, n} }
	idp := func(length int, to, from Addr) Header {
		return Header{Length: length, Type: TypeSPP, To: to, From: from}
	}
	return []goldenFrame{
		{"connect", "1000bb1011010200c0ffee0106003928002a00050000041a1000bb10110100050000041a0200c0ffee011388c0001234000000000000000700000000",
			guest, client.Host, idp(42, at(SocketCourier), client), SPPHeader{0xc0, 0, 0x1234, 0, 0, 0, 7}, ""},
		{"reply", "0200c0ffee011000bb10110106004cac002a00050000041a0200c0ffee0113880000041a1000bb1011014000c0009e55123400000001000700000000",
			client.Host, guest, idp(42, client, server), SPPHeader{0xc0, 0, 0x9e55, 0x1234, 0, 1, 7}, ""},
		{"data", "0200c0ffee011000bb1011010600331b002e00050000041a0200c0ffee0113880000041a1000bb101101400000009e55123400000002000800030003",
			client.Host, guest, idp(46, client, server), SPPHeader{0, 0, 0x9e55, 0x1234, 0, 2, 8}, "\x00\x03\x00\x03"},
		{"attention", "1000bb1011010200c0ffee010600b72b002b00050000041a1000bb10110140000000041a0200c0ffee011388600012349e5500020002000955000000",
			guest, client.Host, idp(43, server, client), SPPHeader{0x60, 0, 0x1234, 0x9e55, 2, 2, 9}, "U"},
		{"end", "0200c0ffee011000bb10110106008c1c002a00050000041a0200c0ffee0113880000041a1000bb101101400000fe9e55123400020004000900000000",
			client.Host, guest, idp(42, client, server), SPPHeader{0, 254, 0x9e55, 0x1234, 2, 4, 9}, ""},
	}
}

func TestGoldenFrames(t *testing.T) {
	for _, g := range goldenFrames() {
		t.Run(g.name, func(t *testing.T) {
			frame := must[[]byte](t)(hex.DecodeString(g.frame))

			packet, ok := ethernetPayload(frame, g.to)
			if !ok {
				t.Fatal("the frame is not taken in")
			}
			h, data, err := ParsePacket(packet)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(g.header, h); diff != "" {
				t.Errorf("the IDP header (-want +got):\n%s", diff)
			}
			spp, rest, err := ParseSPP(data)
			if diff := cmp.Diff(g.spp, spp); diff != "" || err != nil || string(rest) != g.data {
				t.Errorf("the SPP header (-want +got):\n%s, data %q, %v", diff, rest, err)
			}

			made, err := AppendPacket(nil, g.header, append(g.spp.Append(nil), g.data...))
			if err != nil {
				t.Fatal(err)
			}
			whole := make([]byte, 60)
			putEthernet(whole, g.to, g.from, made)
			if !bytes.Equal(whole, frame) {
				t.Errorf("made  %x\nwant  %x", whole, frame)
			}
		})
	}
}

// TestChangedFrames flips each bit of each frame's packet.
func TestChangedFrames(t *testing.T) {
	for _, g := range goldenFrames() {
		frame := must[[]byte](t)(hex.DecodeString(g.frame))
		packet := frame[ethernetHeader : ethernetHeader+padded(g.header.Length)]
		for bit := range 8 * len(packet) {
			packet[bit/8] ^= 1 << (bit % 8)
			if _, _, err := ParsePacket(packet); err == nil {
				t.Errorf("%s: bit %d changed, and nobody noticed", g.name, bit)
			}
			packet[bit/8] ^= 1 << (bit % 8)
		}
	}
}
