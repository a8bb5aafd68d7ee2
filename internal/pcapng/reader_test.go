package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zocalo/internal/testenv"
)

// A maker makes files as other programs do, of either byte order.
type maker struct {
	binary.AppendByteOrder
	b []byte
}

func (m *maker) block(kind BlockType, body ...any) {
	var b []byte
	for _, v := range body {
		switch v := v.(type) {
		case uint16:
			b = m.AppendUint16(b, v)
		case uint32:
			b = m.AppendUint32(b, v)
		case uint64:
			b = m.AppendUint64(b, v)
		case string:
			b = append(b, v...)
			b = append(b, make([]byte, -len(b)&3)...)
		}
	}
	m.b = m.AppendUint32(m.b, uint32(kind))
	m.b = m.AppendUint32(m.b, uint32(len(b)+12))
	m.b = append(m.b, b...)
	m.b = m.AppendUint32(m.b, uint32(len(b)+12))
}

func (m *maker) section() {
	m.block(SectionHeader, uint32(byteOrder), uint16(1), uint16(0), uint64(math.MaxUint64))
}

// orders are the two byte orders.
var orders = []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}

// read returns what a file has, a line each.
func read(file []byte) (lines []string, err error) {
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	r.OnNames = func(names []Name) { lines = append(lines, fmt.Sprintf("names %v", names)) }
	r.OnSecrets = func(t SecretType, b []byte) { lines = append(lines, fmt.Sprintf("secrets %x %q", uint32(t), b)) }
	r.OnStatistics = func(s *Statistics) { lines = append(lines, fmt.Sprintf("statistics %d", s.Dropped)) }
	for {
		p, err := r.Next()
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		at := "-"
		if !p.Time.IsZero() {
			at = p.Time.UTC().Format("2006-01-02T15:04:05.999999999")
		}
		lines = append(lines, fmt.Sprintf("%d %s %s %d %q %d %v %q", r.Interface().LinkType, r.Interface().Name, at, p.Interface, p.Data, p.Length, p.Direction, p.Comments))
	}
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("read:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReaderReadsOtherPrograms(t *testing.T) {
	for _, order := range orders {
		m := &maker{AppendByteOrder: order}
		m.section()
		m.block(InterfaceBlock, uint16(LinkEthernet), uint16(0), uint32(4),
			uint16(interfaceName), uint16(4), "eth0", uint16(optEnd), uint16(0))
		m.block(InterfaceBlock, uint16(LinkRaw), uint16(0), uint32(0),
			uint16(interfaceResolution), uint16(1), "\x83", uint16(interfaceOffset), uint16(8), uint64(10))
		m.block(EnhancedPacketBlock, uint32(0), uint32(0), uint32(1500000), uint32(3), uint32(9), "abc",
			uint16(packetFlags), uint16(4), uint32(2), uint16(optComment), uint16(2), "hi", uint16(optEnd), uint16(0))
		m.block(SimplePacketBlock, uint32(6), "abcdef")
		m.block(EnhancedPacketBlock, uint32(1), uint32(0), uint32(20), uint32(1), uint32(1), "z") // no options at all
		m.block(99, "of the future")
		m.block(NameResolution, uint16(recordIPv4), uint16(12), "\x7f\x00\x00\x01one\x00two\x00", uint16(0), uint16(0))
		m.block(DecryptionSecrets, uint32(TLSKeyLog), uint32(3), "key")
		m.block(InterfaceStatistics, uint32(0), uint64(0), uint16(statisticsDropped), uint16(8), uint64(7))
		m.section() // which has no interfaces yet
		m.block(InterfaceBlock, uint16(LinkNull), uint16(0), uint32(0))
		m.block(OldPacketBlock, uint16(0), uint16(3), uint32(0), uint32(1), uint32(2), uint32(2), "pq")
		lines, err := read(m.b)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, lines, []string{
			`1 eth0 1970-01-01T00:00:01.5 0 "abc" 9 outbound ["hi"]`,
			`1 eth0 - 0 "abcd" 6 unknown []`,
			`101  1970-01-01T00:00:12.5 1 "z" 1 unknown []`,
			`names [{127.0.0.1 [one two]}]`,
			`secrets 544c534b "key"`,
			`statistics 7`,
			`0  1970-01-01T00:00:00.000001 0 "pq" 2 unknown []`,
		})
	}
}

func TestReaderReadsClassic(t *testing.T) {
	for _, order := range orders {
		for magic, at := range map[uint32]string{classicMicroseconds: "00:00:02.5", classicNanoseconds: "00:00:02.0005"} {
			var b []byte
			for _, v := range []uint32{magic, 0, 0, 0, 65535, 1} {
				b = order.AppendUint32(b, v)
			}
			order.(interface{ PutUint16([]byte, uint16) }).PutUint16(b[4:], 2)
			for _, v := range []uint32{2, 500000, 3, 5} {
				b = order.AppendUint32(b, v)
			}
			lines, err := read(append(b, "abc"...))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, lines, []string{`1  1970-01-01T` + at + ` 0 "abc" 5 unknown []`})
		}
	}
}

func TestReaderReadsTheWriter(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, Section{Application: "zocalo"})
	if err != nil {
		t.Fatal(err)
	}
	i, _ := w.Interface(Interface{LinkType: LinkRaw, Name: "unix:/run/x.sock"})
	at := time.Date(2026, 12, 1, 13, 0, 0, 123456789, time.UTC)
	w.Packet(&Packet{Interface: i, Time: at, Header: []byte("he"), Data: []byte("llo"), Direction: Inbound, Comments: []string{"pair 1"}})
	lines, err := read(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, lines, []string{`101 unix:/run/x.sock 2026-12-01T13:00:00.123456789 0 "hello" 5 inbound ["pair 1"]`})
}

func TestReaderTellsWhereAFileIsWrong(t *testing.T) {
	le := func(body func(m *maker)) []byte {
		m := &maker{AppendByteOrder: binary.LittleEndian}
		m.section()
		body(m)
		return m.b
	}
	whole := le(func(m *maker) { m.block(InterfaceBlock, uint16(1), uint16(0), uint32(0)) })
	for name, test := range map[string]struct {
		file []byte
		want string
		cut  bool
	}{
		"empty":           {nil, "at byte 0 of the file: it is empty", false},
		"other":           {[]byte("hello there"), "at byte 0 of the file: it is neither pcapng nor pcap: it begins with 68656c6c", false},
		"gzip":            {[]byte("\x1f\x8b\x08\x00aaaaaaaaaaaa"), "at byte 0 of the file: it is compressed: decompress it first, with gunzip", false},
		"cut":             {whole[:len(whole)-3], "at byte 28 of the file: the file ends within a block of 20 bytes", true},
		"cut early":       {whole[:30], "at byte 28 of the file: the file ends within a block", true},
		"no interface":    {le(func(m *maker) { m.block(SimplePacketBlock, uint32(1), "a") }), "at byte 28 of the file: a packet of interface 0, of which the section has 0", false},
		"small block":     {append(slices.Clone(whole), 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0), "at byte 48 of the file: a block of 4 bytes, which must be a multiple of 4 and at least 12", false},
		"great block":     {append(slices.Clone(whole), 1, 0, 0, 0, 0, 0, 0, 0xf0, 0, 0, 0, 0), "at byte 48 of the file: a block of 4026531840 bytes: at most 16777216 are read", false},
		"great packet":    {append(slices.Clone(whole), le(func(m *maker) { m.block(EnhancedPacketBlock, uint32(0), uint64(0), uint32(100), uint32(100), "a") })[28:]...), "at byte 48 of the file: a packet of 100 bytes in a block with room for 4", false},
		"great option":    {le(func(m *maker) { m.block(InterfaceBlock, uint32(1), uint32(0), uint16(2), uint16(99), "a") }), "at byte 28 of the file: an option of 99 bytes in a block with room for 4", false},
		"fine resolution": {le(func(m *maker) { m.block(InterfaceBlock, uint32(1), uint32(0), uint16(9), uint16(1), "\x7f") }), "at byte 28 of the file: an interface whose times have the resolution 0x7f, which is too fine", false},
		"two lengths":     {append(slices.Clone(whole[:44]), 99, 0, 0, 0), "at byte 28 of the file: a block that says at its beginning that it has 20 bytes and at its end 99", false},
	} {
		_, err := read(test.file)
		if err == nil || err.Error() != test.want || errors.Is(err, io.ErrUnexpectedEOF) != test.cut {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

// A block that promises much costs what is there.
func TestReaderBelievesNoLength(t *testing.T) {
	m := &maker{AppendByteOrder: binary.LittleEndian}
	m.section()
	m.b = append(m.b, 6, 0, 0, 0, 0, 0, 0xff, 0, 1, 2, 3, 4)
	r, err := NewReader(bytes.NewReader(m.b))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) || cap(r.block) > 1<<20 {
		t.Errorf("%v, and %d bytes were taken for a file of %d", err, cap(r.block), len(m.b))
	}
}

// editcap writes every form of a file; what is read is the same.
func TestReaderReadsEditcap(t *testing.T) {
	editcap := testenv.Program(t, "editcap")
	var file bytes.Buffer
	w, err := NewWriter(&file, Section{})
	if err != nil {
		t.Fatal(err)
	}
	i, _ := w.Interface(Interface{LinkType: LinkRaw})
	for n := range 20 {
		w.Packet(&Packet{Interface: i, Time: time.Unix(1800000000, int64(n)*1000), Data: bytes.Repeat([]byte{'a' + byte(n)}, n)})
	}
	want, err := read(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	from := filepath.Join(folder, "from")
	writeFile(t, from, file.Bytes())
	for _, form := range []string{"pcap", "nsecpcap", "pcapng"} {
		to := filepath.Join(folder, form)
		if out, err := exec.Command(editcap, "-F", form, from, to).CombinedOutput(); err != nil {
			t.Fatalf("editcap: %v: %s", err, out)
		}
		lines, err := read(readFile(t, to))
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		equal(t, lines, want)
	}
}

func FuzzReader(f *testing.F) {
	for _, order := range orders {
		m := &maker{AppendByteOrder: order}
		m.section()
		m.block(InterfaceBlock, uint16(LinkEthernet), uint16(0), uint32(4), uint16(interfaceResolution), uint16(1), "\x83", uint16(interfaceOffset), uint16(8), uint64(10))
		m.block(EnhancedPacketBlock, uint32(0), uint64(1), uint32(3), uint32(9), "abc", uint16(packetFlags), uint16(4), uint32(2))
		m.block(SimplePacketBlock, uint32(6), "abcdef")
		m.block(NameResolution, uint16(recordIPv4), uint16(8), "\x7f\x00\x00\x01one\x00", uint16(0), uint16(0))
		m.block(DecryptionSecrets, uint32(TLSKeyLog), uint32(3), "key")
		m.block(InterfaceStatistics, uint32(0), uint64(0), uint16(statisticsDropped), uint16(8), uint64(7))
		f.Add(m.b)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			var format *FormatError
			if !errors.As(err, &format) {
				t.Fatalf("%v is no FormatError", err)
			}
			return
		}
		for {
			p, err := r.Next()
			if err != nil {
				var format *FormatError
				if err != io.EOF && (!errors.As(err, &format) || strings.Contains(err.Error(), "\n")) {
					t.Fatalf("%v is no FormatError of one line", err)
				}
				return
			}
			if len(p.Data) > len(file) || r.Interface() == nil {
				t.Fatal("more than there is")
			}
		}
	})
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
