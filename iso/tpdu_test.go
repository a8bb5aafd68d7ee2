package iso

import (
	"bytes"
	"encoding/hex"
	"errors"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// goldens are TPDUs that must read and write identically. Those of S7 were
// observed between a programming device and a PLC.
var goldens = []struct {
	name string
	wire string
	want tpdu
}{
	{"CR of S7", "11e00000000100c1020100c2020101c0010a", tpdu{code: codeCR, src: 1, size: 0x0a,
		calling: []byte{1, 0}, hasCalling: true, called: []byte{1, 1}, hasCalled: true}},
	{"CC of S7", "09d00001000100c0010a", tpdu{code: codeCC, dst: 1, src: 1, size: 0x0a}},
	{"CR without parameters", "06e00000000100", tpdu{code: codeCR, src: 1}},
	{"CR with expedited data, user data and alternatives", "0ce00000123400c60101c701006869",
		tpdu{code: codeCR, src: 0x1234, additional: 1, hasAdditional: true, classes: []byte{0}, data: []byte("hi")}},
	{"CC with user data", "06d0000100020068", tpdu{code: codeCC, dst: 1, src: 2, data: []byte("h")}},
	{"DR", "06800001000003", tpdu{code: codeDR, dst: 1, cause: 3}},
	{"DR with information and data", "09800001000280e00180627965", tpdu{code: codeDR, dst: 1, src: 2, cause: 128, extra: []byte{128}, data: []byte("bye")}},
	{"DC", "05c000010002", tpdu{code: codeDC, dst: 1, src: 2}},
	{"DT", "02f08032", tpdu{code: codeDT, end: true, data: []byte{0x32}}},
	{"DT that goes on", "02f00032", tpdu{code: codeDT, data: []byte{0x32}}},
	{"ED", "02108021", tpdu{code: codeED, end: true, data: []byte("!")}},
	{"ER", "0870000103c10206e0", tpdu{code: codeER, dst: 1, cause: 3, rejected: []byte{6, 0xe0}}},
	{"UD", "0640c10161c2006869", tpdu{code: codeUD, calling: []byte("a"), hasCalling: true, called: []byte{}, hasCalled: true, data: []byte("hi")}},
	{"UD with checksum", "0b40c10161c20162c3024f836869", tpdu{code: codeUD, calling: []byte("a"), hasCalling: true, called: []byte("b"), hasCalled: true,
		sum: true, data: []byte("hi")}},
}

func TestGoldens(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			wire := unhex(t, g.wire)
			got, err := decodeTPDU(wire)
			if err != nil {
				t.Fatal(err)
			}
			want := g.want
			if want.data == nil {
				want.data = []byte{}
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(tpdu{})); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if again := got.append(nil); !bytes.Equal(again, wire) {
				t.Errorf("written again it is\n%x, and was\n%x", again, wire)
			}
			if g.want.sum {
				if c0, c1 := fletcher(wire); c0 != 0 || c1 != 0 {
					t.Errorf("the sums over it are %d and %d", c0, c1)
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, wire string
		cause      Cause
		header     string
	}{
		{"nothing", "", 0, ""},
		{"a length indicator alone", "06", 0, ""},
		{"a length indicator of 0", "0004", 0, "00"},
		{"a header that is longer than the TPDU", "07e00000000100", 0, "07"},
		{"the reserved length indicator", "ff" + "e0", 0, "ff"},
		{"a code that nobody has", "0230" + "80", causeBadType, "0230"},
		{"an AK, which class 0 has not", "0460000100", causeBadType, "0460"},
		{"a DT of class 2", "04f000018032", 0, "04"},
		{"a CR that is too short", "05e000000001", 0, "05"},
		{"a parameter longer than the header", "09e00000000100c0020a", causeBadValue, "09e00000000100c0"},
		{"a TPDU size that there is not", "09e00000000100c00106", causeBadValue, "09e00000000100c001"},
		{"a CC with an unknown parameter", "08d000010001" + "000100", causeBadParameter, "08d0000100010001"},
		{"an ED without data", "021080", 0, "021080"},
		{"an ED of 17 bytes", "021080" + "0102030405060708090a0b0c0d0e0f1011", 0, "021080"},
		{"a DC with data", "05c00001000268", 0, "05c000010002"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decodeTPDU(unhex(t, c.wire))
			var e *ProtocolError
			if !errors.As(err, &e) || !errors.Is(err, syscall.EPROTO) {
				t.Fatalf("%v, want a ProtocolError", err)
			}
			if e.Cause != c.cause || hex.EncodeToString(e.Header) != c.header {
				t.Errorf("cause %d with the header %x, want %d with %s: %v", e.Cause, e.Header, c.cause, c.header, err)
			}
		})
	}
}

// TestDecodeTolerates has what the field's gear sends.
func TestDecodeTolerates(t *testing.T) {
	for _, c := range []struct{ name, wire string }{
		{"a CR from reference 0", "06e00000000000"},
		{"an unknown parameter in a CR", "09e00000000100aa0101"},
		{"routing parameters in a CR", "10e00000000100c60401020304c70201" + "02"},
		{"a TPDU size of 65536", "09e00000000100c00110"},
		{"credit in a CR", "06e10000000100"},
		{"a DT with a number", "02f08132"},
		{"a DR with one byte of data", "0680000100010000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := decodeTPDU(unhex(t, c.wire)); err != nil {
				t.Error(err)
			}
		})
	}
	// The last of what is repeated counts.
	got, err := decodeTPDU(unhex(t, "0ce00000000100c0010ac0010b"))
	if err != nil || got.size != 0x0b {
		t.Errorf("a size that is given twice is %#x, %v, want 0x0b", got.size, err)
	}
}

func FuzzTPDU(f *testing.F) {
	for _, g := range goldens {
		f.Add(unhex(f, g.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := decodeTPDU(b)
		if err != nil {
			if errors.As(err, new(*ProtocolError)) {
				return
			}
			t.Fatalf("%v is no ProtocolError", err)
		}
		if first.size > 0 && (sizeOfCode(first.size) < 128 || sizeOfCode(first.size) > largestTPDU) {
			t.Errorf("a TPDU size of %d", sizeOfCode(first.size))
		}
		_ = first.String()
		again, err := decodeTPDU(first.append(nil))
		if err != nil {
			t.Fatalf("%+v, written again, cannot be read: %v", first, err)
		}
		first.data, again.data = append([]byte{}, first.data...), append([]byte{}, again.data...)
		if diff := cmp.Diff(first, again, cmp.AllowUnexported(tpdu{})); diff != "" {
			t.Errorf("written and read again it differs:\n%s", diff)
		}
	})
}

// TestChecksum tests against a CR of class 4 that an independent
// implementation made.
func TestChecksum(t *testing.T) {
	b := unhex(t, "15e10000010140c1026162c2026364c0010ac302b46c")
	if c0, c1 := fletcher(b); c0 != 0 || c1 != 0 {
		t.Errorf("the sums over a TPDU that is right are %d and %d", c0, c1)
	}
	n := len(b) - 2
	b[n], b[n+1] = 0, 0
	putChecksum(b, n)
	if b[n] != 0xb4 || b[n+1] != 0x6c {
		t.Errorf("its checksum is % x, want b4 6c", b[n:])
	}
	// Any size, any place; long ones are reduced in between.
	for size := 10; size < 70000; size = size*3 + 1 {
		b := bytes.Repeat([]byte{0xff, 0x00, 0x7f}, size)
		for _, n := range []int{0, 4, len(b) - 2} {
			b[n], b[n+1] = 0, 0
			putChecksum(b, n)
			if c0, c1 := fletcher(b); c0 != 0 || c1 != 0 || b[n] == 0 || b[n+1] == 0 {
				t.Errorf("%d bytes with the checksum at %d: sums %d and %d", len(b), n, c0, c1)
			}
			b[n] ^= 1
			if c0, c1 := fletcher(b); c0 == 0 && c1 == 0 {
				t.Errorf("%d bytes of which one is wrong pass", len(b))
			}
			b[n], b[n+1] = 0xff, 0x7f
		}
	}
}
