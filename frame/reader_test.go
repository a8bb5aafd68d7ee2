package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"zocalo/frame"
)

func isClean(err error) bool { return err == io.EOF }

func isEnd(err error) bool { return err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) }

// splits gives the same bytes through readers that part them differently.
func splits(wire string) map[string]io.Reader {
	src := func() io.Reader { return strings.NewReader(wire) }
	return map[string]io.Reader{
		"whole":                  src(),
		"one byte":               iotest.OneByteReader(src()),
		"half":                   iotest.HalfReader(src()),
		"end with data":          iotest.DataErrReader(src()),
		"one byte, end with it":  iotest.DataErrReader(iotest.OneByteReader(src())),
		"deadlines between":      &flaky{src: src()},
		"deadline with one byte": &together{src(), 1},
		"deadline with three":    &together{src(), 3},
	}
}

func TestMalformed(t *testing.T) {
	const ones = "\xff\xff\xff\xff\xff\xff\xff\xff\xff" // 9 bytes that go on
	for _, c := range []struct {
		name, format, wire, reason string
		before                     int   // messages
		offset                     int64 // of the message at fault
	}{
		{"leading zero", "netstring", "03:abc,", "leading zero", 0, 0},
		{"two zeros", "netstring", "00:,", "leading zero", 0, 0},
		{"no digits", "netstring", ":,", "decimal digits", 0, 0},
		{"sign", "netstring", "+3:abc,", "decimal digits", 0, 0},
		{"space", "netstring", "3 :abc,", "decimal digits", 0, 0},
		{"hexadecimal", "netstring", "a:0123456789,", "decimal digits", 0, 0},
		{"other end", "netstring", "3:abc;", "no ','", 0, 0},
		{"longer than said", "netstring", "0:,3:abcd,", "no ','", 1, 3},
		{"newline between", "netstring", "1:a,\n1:b,", "decimal digits", 1, 4},
		{"20 digits", "netstring", "10000000000000000000:", "more than 19 digits", 0, 0},
		{"endless digits", "netstring", strings.Repeat("9", 1000), "more than 19 digits", 0, 0},
		{"padded", "varint", "\x83\x00abc", "shortest", 0, 0},
		{"padded zero", "varint", "\x01a\x80\x00", "shortest", 1, 2},
		{"65 bits", "varint", ones + "\x02", "64 bits", 0, 0},
		{"11 bytes", "varint", ones + "\x81\x00", "64 bits", 0, 0},
		{"padded to 10", "varint", ones + "\x00", "shortest", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, src := range splits(c.wire) {
				r := newReader(t, src, c.format, 0)
				got, err := readAll(r)
				var bad *frame.MalformedError
				if !errors.As(err, &bad) || errors.Is(err, frame.ErrRefused) {
					t.Fatalf("%s: read %q, %v; want a MalformedError", name, got, err)
				}
				if !strings.Contains(bad.Reason, c.reason) || bad.Offset != c.offset || len(got) != c.before {
					t.Errorf("%s: after %d messages, offset %d: %v; want %d, %d, %q", name, len(got), bad.Offset, err, c.before, c.offset, c.reason)
				}
				if _, again := r.Next(); again != err {
					t.Errorf("%s: then %v", name, again)
				}
			}
		})
	}
}

func TestTooLongIsPassedOver(t *testing.T) {
	big := strings.Repeat("b", 5000) // more than the first buffer
	for _, c := range []struct {
		name, format, wire string
		size               uint64
		want               []string
		end                error
	}{
		{"line", "lines", "ok\n123456\nok\n", 0, []string{"ok", "!", "ok"}, io.EOF},
		{"long line", "lines", big + "\nok\n", 0, []string{"!", "ok"}, io.EOF},
		{"last line", "lines", "ok\n123456", 0, []string{"ok", "!"}, io.EOF},
		{"line of the limit", "lines", "12345\n12345", 0, []string{"12345", "12345"}, io.EOF},
		{"len16", "len16", "\x00\x06123456\x00\x0512345", 6, []string{"!", "12345"}, io.EOF},
		{"len32", "len32", "\x00\x00\x13\x88" + big + "\x00\x00\x00\x00", 5000, []string{"!", ""}, io.EOF},
		{"varint", "varint", "\x88\x27" + big + "\x02ok", 5000, []string{"!", "ok"}, io.EOF},
		{"two in a row", "varint", "\x06123456\x06123456\x02ok", 6, []string{"!", "!", "ok"}, io.EOF},
		{"netstring", "netstring", "2:ok,5000:" + big + ",2:ok,", 5000, []string{"ok", "!", "ok"}, io.EOF},
		{"netstring without comma", "netstring", "6:123456;2:ok,", 6, []string{"!"}, new(frame.MalformedError)},
		{"netstring cut at the comma", "netstring", "6:123456", 6, []string{"!"}, io.ErrUnexpectedEOF},
		{"len16 cut", "len16", "\x00\x061234", 6, []string{"!"}, io.ErrUnexpectedEOF},
		{"len32 cut after the length", "len32", "\xff\xff\xff\xff", math.MaxUint32, []string{"!"}, io.ErrUnexpectedEOF},
		{"varint greatest", "varint", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", math.MaxUint64, []string{"!"}, io.ErrUnexpectedEOF},
		{"netstring greatest", "netstring", "9999999999999999999:x", 9999999999999999999, []string{"!"}, io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, src := range splits(c.wire) {
				r := newReader(t, src, c.format, 5)
				var got []string
				var err error
				for {
					var msg []byte
					msg, err = r.Next()
					var long *frame.TooLongError
					switch {
					case err == nil:
						got = append(got, string(msg))
						continue
					case errors.As(err, &long):
						if long.Size != c.size || long.Limit != 5 || long.Format != parse(t, c.format) || !errors.Is(err, frame.ErrRefused) {
							t.Errorf("%s: refused with %+v, want size %d", name, long, c.size)
						}
						got = append(got, "!")
						continue
					case errors.Is(err, os.ErrDeadlineExceeded):
						continue
					}
					break
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("%s: read %q, want %q", name, got, c.want)
				}
				if _, malformed := c.end.(*frame.MalformedError); malformed {
					if !errors.As(err, new(*frame.MalformedError)) {
						t.Errorf("%s: ended with %v, want a MalformedError", name, err)
					}
				} else if !errors.Is(err, c.end) {
					t.Errorf("%s: ended with %v, want %v", name, err, c.end)
				}
			}
		})
	}
}

func TestEndInsideSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct{ format, wire, want string }{
		{"fixed:8", "12345", "5 of 8 bytes came, 3 are missing"},
		{"len16", "\x00\x05abc", "5 of 7 bytes came, 2 are missing"},
		{"len32", "\x00\x00", "inside the length of a message (len32), after 2 bytes"},
		{"varint", "\xff", "inside the length"},
		{"netstring", "12", "inside the length"},
		{"netstring", "3:abc", "5 of 6 bytes came, 1 are missing"},
	} {
		r := newReader(t, strings.NewReader(c.wire), c.format, 0)
		_, err := r.Next()
		if !errors.Is(err, io.ErrUnexpectedEOF) || err == io.ErrUnexpectedEOF || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v; want %q", c.format, c.wire, err, c.want)
		}
		if _, again := r.Next(); again != err {
			t.Errorf("%s %q: then %v", c.format, c.wire, again)
		}
	}
}

func TestChunkIsOneRead(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	pr, pw := io.Pipe()
	go func() {
		for _, s := range []string{"a", "bcd", "efghij", big} {
			_, _ = io.WriteString(pw, s)
		}
		pw.Close()
	}()
	got, err := readAll(newReader(t, pr, "chunk:99999", 0))
	if want := []string{"a", "bcd", "efghij", big[:99_999], "x"}; !slices.Equal(got, want) || err != io.EOF {
		t.Errorf("read %.60q, %v", got, err)
	}
}

func TestOtherErrorsPassThrough(t *testing.T) {
	reset := errors.New("connection reset")
	for _, text := range everyFormat {
		r := newReader(t, iotest.ErrReader(reset), text, 0)
		for range 2 {
			if _, err := r.Next(); err != reset {
				t.Errorf("%s: %v, want the stream's own error", text, err)
			}
		}
	}
}

// script answers each Read with the next of its steps.
type script []struct {
	n   int
	err error
}

func (s *script) Read([]byte) (int, error) {
	step := (*s)[0]
	if len(*s) > 1 {
		*s = (*s)[1:]
	}
	return step.n, step.err
}

func TestStreamThatBreaksTheContract(t *testing.T) {
	for _, c := range []struct {
		name  string
		n     int
		final bool
	}{
		{"no bytes, no error", 0, false},
		{"negative count", -1, true},
		{"count beyond the buffer", math.MaxInt, true},
	} {
		for _, text := range everyFormat {
			r := newReader(t, &script{{c.n, nil}}, text, 0)
			_, err := r.Next()
			if err == nil || errors.Is(err, io.ErrNoProgress) == c.final {
				t.Errorf("%s, %s: %v", c.name, text, err)
			}
		}
	}
}

// spy notes the largest buffer that it was asked to fill.
type spy struct {
	src     io.Reader
	largest int
}

func (s *spy) Read(p []byte) (int, error) {
	s.largest = max(s.largest, len(p))
	return s.src.Read(p)
}

func TestHostileLengthAllocatesNothing(t *testing.T) {
	const limit = math.MaxInt
	for format, wire := range map[string]string{
		"len32":     "\x40\x00\x00\x00" + a300,
		"varint":    "\x80\x80\x80\x80\x04" + a300,
		"netstring": "1073741824:" + a300,
		"fixed:1GB": a300,
	} {
		s := &spy{src: strings.NewReader(wire)}
		if _, err := newReader(t, s, format, limit).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", format, err)
		}
		if s.largest > 4096 {
			t.Errorf("%s: a buffer of %d bytes for a stream of %d", format, s.largest, len(wire))
		}
	}
}

// endless gives bytes without end.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestBufferStaysBelowLimit(t *testing.T) {
	for limit, most := range map[int]int{10: 64 << 10, 100_000: 100_001} {
		s := &spy{src: io.LimitReader(endless('x'), 1<<20)}
		got, err := readAll(newReader(t, s, "lines", limit))
		if !slices.Equal(got, []string{"!"}) || err != io.EOF {
			t.Errorf("limit %d: %.40q, %v", limit, got, err)
		}
		if s.largest > most {
			t.Errorf("limit %d: a buffer of %d bytes, want at most %d", limit, s.largest, most)
		}
	}
}

func TestMessageCannotBeAppendedInto(t *testing.T) {
	for _, text := range []string{"lines", "netstring", "fixed:5"} {
		f := parse(t, text)
		var wire []byte
		for _, msg := range []string{"first", "later"} {
			wire, _ = f.Append(wire, []byte(msg))
		}
		r := newReader(t, bytes.NewReader(wire), text, 0)
		msg, _ := r.Next()
		_ = append(msg, "overwrites"...)
		if msg, err := r.Next(); string(msg) != "later" {
			t.Errorf("%s: the next message is %q, %v", text, msg, err)
		}
	}
}

func TestEmptyMessageIsNotNil(t *testing.T) {
	for format, wire := range map[string]string{"lines": "\n", "len16": "\x00\x00", "netstring": "0:,"} {
		msg, err := newReader(t, strings.NewReader(wire), format, 0).Next()
		if msg == nil || len(msg) != 0 || err != nil {
			t.Errorf("%s: %v, %v", format, msg, err)
		}
	}
}

// TestManySizes sends messages of sizes around every threshold of the buffer.
func TestManySizes(t *testing.T) {
	var sizes []int
	for _, at := range []int{0, 4096, 8192, 65536, 131072} {
		for d := -12; d <= 12; d++ {
			if at+d >= 0 && at+d <= 140_000 {
				sizes = append(sizes, at+d)
			}
		}
	}
	for _, text := range []string{"lines", "len32", "varint", "netstring"} {
		t.Run(text, func(t *testing.T) {
			var wire bytes.Buffer
			w := newWriter(t, &wire, text, 0)
			for i, size := range sizes {
				if _, err := w.Write(bytes.Repeat([]byte{byte('a' + i%26)}, size)); err != nil {
					t.Fatal(err)
				}
			}
			r := newReader(t, &wire, text, 0)
			for i, size := range sizes {
				msg, err := r.Next()
				if err != nil || len(msg) != size || bytes.Count(msg, []byte{byte('a' + i%26)}) != size {
					t.Fatalf("message %d: %d bytes, %v; want %d", i, len(msg), err, size)
				}
			}
			if _, err := r.Next(); err != io.EOF {
				t.Error(fmt.Errorf("at the end: %w", err))
			}
		})
	}
}
