package frame_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

var (
	a127   = strings.Repeat("a", 127)
	a128   = strings.Repeat("a", 128)
	a300   = strings.Repeat("a", 300)
	a65535 = strings.Repeat("a", 65535)
)

// wires holds what messages look like on the wire, written by hand.
var wires = []struct {
	name, format string
	messages     []string
	wire         string
}{
	{"two lines", "lines", []string{"hello", "world"}, "hello\nworld\n"},
	{"empty lines", "lines", []string{"", "", "x", ""}, "\n\nx\n\n"},
	{"a CR is kept", "lines", []string{"a\r", "\r", "b\rc"}, "a\r\n\r\nb\rc\n"},
	{"bytes that are no text", "lines", []string{"\x00\xff"}, "\x00\xff\n"},
	{"len16", "len16", []string{"abc"}, "\x00\x03abc"},
	{"len16 empty", "len16", []string{"", "x"}, "\x00\x00\x00\x01x"},
	{"len16 second byte", "len16", []string{a300}, "\x01\x2c" + a300},
	{"len16 longest", "len16", []string{a65535}, "\xff\xff" + a65535},
	{"len32", "len32", []string{"abc"}, "\x00\x00\x00\x03abc"},
	{"len32 empty", "len32", []string{"", ""}, "\x00\x00\x00\x00\x00\x00\x00\x00"},
	{"len32 third byte", "len32", []string{a65535 + "a"}, "\x00\x01\x00\x00" + a65535 + "a"},
	{"varint", "varint", []string{"abc"}, "\x03abc"},
	{"varint empty", "varint", []string{"", "x"}, "\x00\x01x"},
	{"varint longest of one byte", "varint", []string{a127}, "\x7f" + a127},
	{"varint shortest of two", "varint", []string{a128}, "\x80\x01" + a128},
	// The number 300 is the protobuf encoding guide's long-standing example: ac 02.
	{"varint 300", "varint", []string{a300}, "\xac\x02" + a300},
	// Both examples of the netstring paper.
	{"netstring", "netstring", []string{"hello world!"}, "\x31\x32\x3a\x68\x65\x6c\x6c\x6f\x20\x77\x6f\x72\x6c\x64\x21\x2c"},
	{"netstring empty", "netstring", []string{""}, "0:,"},
	{"netstring of a netstring", "netstring", []string{"3:abc,", "\n"}, "6:3:abc,,1:\n,"},
	{"fixed", "fixed:3", []string{"abc", "d\ne"}, "abcd\ne"},
}

func TestWire(t *testing.T) {
	for _, c := range wires {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			w := newWriter(t, &out, c.format, 0)
			for _, msg := range c.messages {
				if n, err := w.Write([]byte(msg)); err != nil || n != len(msg) {
					t.Fatalf("Write(%.20q) = %d, %v", msg, n, err)
				}
			}
			if out.String() != c.wire {
				t.Errorf("wrote %.80q, want %.80q", out.String(), c.wire)
			}
			for name, r := range splits(c.wire) {
				got, err := readAll(newReader(t, r, c.format, 0))
				if !slices.Equal(got, c.messages) || err.Error() != "EOF" {
					t.Errorf("%s: read %.80q, %v; want %.80q", name, got, err, c.messages)
				}
			}
		})
	}
}

// TestCutAnywhere ends each stream at each of its bytes: what is whole is read,
// and the end is clean only between messages.
func TestCutAnywhere(t *testing.T) {
	for _, c := range wires {
		if len(c.wire) > 500 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			f := parse(t, c.format)
			ends := map[int]int{0: 0} // offset of a boundary: messages before it
			var wire []byte
			for i, msg := range c.messages {
				wire, _ = f.Append(wire, []byte(msg))
				ends[len(wire)] = i + 1
			}
			whole := 0
			for cut := range len(wire) + 1 {
				n, boundary := ends[cut]
				if boundary {
					whole = n
				}
				got, err := readAll(newReader(t, iotest.OneByteReader(bytes.NewReader(wire[:cut])), c.format, 0))
				want := slices.Clone(c.messages[:whole])
				clean := boundary
				if c.format == "lines" && !boundary { // the last line counts without its end
					line := wire[bytes.LastIndexByte(wire[:cut], '\n')+1 : cut]
					want, clean = append(want, string(line)), true
				}
				if !slices.Equal(got, want) || isClean(err) != clean || !isEnd(err) {
					t.Errorf("cut at %d: read %q, %v; want %q, clean %v", cut, got, err, want, clean)
				}
			}
		})
	}
}
