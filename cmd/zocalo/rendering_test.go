package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"zocalo/internal/testenv"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
)

// What Python 3 prints.
var quotedCases = map[string]string{
	"":                  `b''`,
	"hola":              `b'hola'`,
	"it's":              `b"it's"`,
	`say "it"`:          `b'say "it"'`,
	`it's "it"`:         `b'it\'s "it"'`,
	"\\":                `b'\\'`,
	"\t\n\r":            `b'\t\n\r'`,
	"\x00\a\b\v\f\x1b~": `b'\x00\x07\x08\x0b\x0c\x1b~'`,
	"\x7f\x80\xff":      `b'\x7f\x80\xff'`,
	"¡":                 `b'\xc2\xa1'`,
}

func TestQuoted(t *testing.T) {
	for data, want := range quotedCases {
		if got := string(appendQuoted(nil, []byte(data))); got != want {
			t.Errorf("%q: %s, want %s", data, got, want)
		}
	}
}

// TestQuotedPython asks Python itself about each byte, alone and beside each
// kind of quotes.
func TestQuotedPython(t *testing.T) {
	python := testenv.Program(t, "python3")
	var asked, ours strings.Builder
	for c := range 256 {
		for _, beside := range []string{"", "'", `"`, `'"`} {
			data := append([]byte{byte(c)}, beside...)
			fmt.Fprintf(&asked, "%x\n", data)
			ours.Write(append(appendQuoted(nil, data), '\n'))
		}
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", "import sys\nfor line in sys.stdin: print(repr(bytes.fromhex(line)))")
	cmd.Stdin = strings.NewReader(asked.String())
	theirs, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(theirs) != ours.String() {
		t.Errorf("Python prints\n%s\nwe print\n%s", theirs, ours.String())
	}
}

// FuzzQuoted reads back what was printed.
func FuzzQuoted(f *testing.F) {
	for data := range quotedCases {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := string(appendQuoted(nil, data))
		quote := got[1]
		var back []byte
		for rest := got[2 : len(got)-1]; rest != ""; {
			c, _, tail, err := strconv.UnquoteChar(rest, quote)
			if err != nil || rest[0] < ' ' || rest[0] > '~' {
				t.Fatalf("%q: %s: %q, %v", data, got, rest, err)
			}
			back, rest = append(back, byte(c)), tail
		}
		if got[0] != 'b' || got[len(got)-1] != quote || !bytes.Equal(back, data) {
			t.Fatalf("%q: %s is %q", data, got, back)
		}
	})
}

func TestHex(t *testing.T) {
	for _, c := range []struct {
		name   string
		urgent bool
		offset int64
		data   string
		want   string
	}{
		{"a row", false, 0, "Hello world!\n", "> 00000000  48 65 6c 6c 6f 20 77 6f  72 6c 64 21 0a           |Hello world!.|\n"},
		{"two rows", false, 0xfffffff8, "0123456789abcdef\xff",
			"> fffffff8  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n" +
				"> 100000008  ff                                                |.|\n"},
		{"urgent", true, 3, "!", ">!00000003  21                                                |!|\n"},
		{"an empty message", false, 5, "", "> 00000005                                                    ||\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(appendHex(nil, '>', c.urgent, c.offset, []byte(c.data))); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// A dump counts the offsets of the two directions apart.
func TestHexOffsets(t *testing.T) {
	render := hexRendering()
	var got []byte
	got = render(got, outcome.A, join.Bytes, []byte("abc"))
	got = render(got, outcome.B, join.Bytes, []byte("d"))
	got = render(got, outcome.A, join.Urgent, []byte("e"))
	got = render(got, outcome.B, join.Message, []byte("f"))
	var marks []string
	for line := range strings.Lines(string(got)) {
		marks = append(marks, line[:10])
	}
	if want := "> 00000000,< 00000000,>!00000003,< 00000001"; strings.Join(marks, ",") != want {
		t.Errorf("got\n%s", got)
	}
}

// readAll reads into buffers of n bytes.
func readAll(r io.Reader, n int) (string, error) {
	var all []byte
	buf := make([]byte, n)
	for {
		m, err := r.Read(buf)
		all = append(all, buf[:m]...)
		if err != nil {
			return string(all), err
		}
	}
}

func TestCRLF(t *testing.T) {
	const in, want = "\none\ntwo\r\n\n\n\r\nend\r", "\r\none\r\ntwo\r\n\r\n\r\n\r\nend\r"
	for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, iotest.HalfReader} {
		for n := 1; n < 12; n++ {
			got, err := readAll(&crlfReader{r: wrap(strings.NewReader(in))}, n)
			if got != want || err != io.EOF {
				t.Errorf("by %d bytes: %q, %v", n, got, err)
			}
		}
	}
}

// FuzzCRLF: each line end becomes one CRLF, and nothing else changes.
func FuzzCRLF(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\n"), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, n uint8) {
		got, err := readAll(&crlfReader{r: bytes.NewReader(data)}, int(n)+1)
		plain := func(b string) string { return strings.ReplaceAll(b, "\r\n", "\n") }
		if err != io.EOF || plain(got) != plain(string(data)) || strings.Count(got, "\n") != strings.Count(got, "\r\n") {
			t.Fatalf("%q became %q, %v", data, got, err)
		}
	})
}

func TestUrgentReader(t *testing.T) {
	for in, want := range map[string]string{
		"":       "[!]",
		"a":      "a[!]",
		"!":      "[!]",
		"a!b":    "a[!]b",
		"!!ab!c": "[!][!]ab[!]c",
		"ab!":    "ab[!]",
	} {
		for n := 1; n < 4; n++ {
			// The sink is where what was read and what was sent meet.
			var sink strings.Builder
			r := &urgentReader{r: strings.NewReader(in), char: '!', send: func() error { sink.WriteString("[!]"); return nil }}
			buf := make([]byte, n)
			for {
				m, err := r.Read(buf)
				sink.Write(buf[:m])
				if err != nil {
					break
				}
			}
			if sink.String() != want {
				t.Errorf("%q by %d bytes: %q, want %q", in, n, sink.String(), want)
			}
		}
	}
	broken := errors.New("broken")
	r := &urgentReader{r: strings.NewReader("a!b"), char: '!', send: func() error { return broken }}
	if got, err := readAll(r, 8); got != "a" || err != broken {
		t.Errorf("%q, %v", got, err)
	}
}
