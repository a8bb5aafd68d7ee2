package frame_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"zocalo/frame"
)

func TestWriterRefuses(t *testing.T) {
	for _, c := range []struct {
		name, format string
		limit        int
		msg, want    string
		tooLong      bool
	}{
		{"newline in a line", "lines", 0, "ab\nc", "byte 2 is one", false},
		{"newline ending a line", "lines", 0, "ab\n", "carries no newline", false},
		{"65536 in len16", "len16", 0, a65535 + "a", "len16 carries at most 65535", true},
		{"65536 in len16 with a greater limit", "len16", 1 << 20, a65535 + "a", "len16 carries at most 65535", true},
		{"short for fixed", "fixed:4", 0, "abc", "exactly 4", false},
		{"long for fixed", "fixed:4", 0, "abcde", "exactly 4", false},
		{"long for fixed and the limit", "fixed:4", 4, "abcde", "exactly 4", false},
		{"empty for fixed", "fixed:4", 0, "", "exactly 4", false},
		{"empty for chunk", "chunk:4", 0, "", "no empty message", false},
		{"long for chunk", "chunk:4", 0, "abcde", "chunk:4 carries at most 4", true},
		{"beyond the limit", "len32", 3, "abcd", "the limit is 3 bytes", true},
		{"beyond the default", "varint", 0, strings.Repeat("a", frame.DefaultLimit+1), "the limit is 1048576", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			w := newWriter(t, &out, c.format, c.limit)
			n, err := w.Write([]byte(c.msg))
			if !errors.Is(err, frame.ErrRefused) || n != 0 || out.Len() != 0 {
				t.Fatalf("Write = %d, %v, and %d bytes on the stream", n, err, out.Len())
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q does not say %q in one line", err, c.want)
			}
			var long *frame.TooLongError
			var refused *frame.RefusedError
			switch {
			case c.tooLong && (!errors.As(err, &long) || long.Size != uint64(len(c.msg)) || long.Format != parse(t, c.format)):
				t.Errorf("refused with %#v", err)
			case !c.tooLong && (!errors.As(err, &refused) || refused.Size != len(c.msg) || refused.Format != parse(t, c.format)):
				t.Errorf("refused with %#v", err)
			}
			// The stream is in order: a message that fits goes out.
			good := "abcd"[:min(4, max(c.limit, 3))]
			if strings.HasPrefix(c.format, "fixed") {
				good = "abcd"
			}
			if _, err := w.Write([]byte(good)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCarriesEmpty(t *testing.T) {
	for _, text := range everyFormat {
		f := parse(t, text)
		_, err := f.Append(nil, nil)
		if empty := f.Kind != frame.Fixed && f.Kind != frame.Chunk; empty != (err == nil) {
			t.Errorf("%s carries empty messages: %v, and one answers %v", text, empty, err)
		}
	}
}

func TestAppend(t *testing.T) {
	f := parse(t, "len16")
	b := []byte("before")
	b, _ = f.Append(b, []byte("x"))
	b, _ = f.Append(b, nil)
	if want := "before\x00\x01x\x00\x00"; string(b) != want {
		t.Errorf("appended %q, want %q", b, want)
	}
	if b, err := f.Append(b[:6], make([]byte, 65536)); string(b) != "before" || !errors.Is(err, frame.ErrRefused) {
		t.Errorf("a refusal returned %.20q, %v", b, err)
	}
}

// stream is a writer that answers each Write with the next of its steps, where n
// is -1 for all of it, and then takes everything.
type stream struct {
	steps  script
	writes []string
}

func (s *stream) Write(p []byte) (int, error) {
	n, err := -1, error(nil)
	if len(s.steps) > 0 {
		n, err = s.steps[0].n, s.steps[0].err
		s.steps = s.steps[1:]
	}
	if n < 0 {
		n = len(p)
	}
	s.writes = append(s.writes, string(p[:min(n, len(p))]))
	return n, err
}

func TestOneWriteAMessage(t *testing.T) {
	for _, text := range everyFormat {
		var s stream
		w := newWriter(t, &s, text, 0)
		for _, msg := range []string{"first", "later"} {
			if _, err := w.Write([]byte(msg)); err != nil {
				t.Fatal(err)
			}
		}
		f := parse(t, text)
		a, _ := f.Append(nil, []byte("first"))
		b, _ := f.Append(nil, []byte("later"))
		if len(s.writes) != 2 || s.writes[0] != string(a) || s.writes[1] != string(b) {
			t.Errorf("%s: wrote %q", text, s.writes)
		}
	}
}

func TestPartialWritePoisons(t *testing.T) {
	reset := errors.New("connection reset")
	for _, c := range []struct {
		name string
		n    int
		err  error
		want error
	}{
		{"some, with an error", 3, reset, reset},
		{"some, at a deadline", 3, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"some, without an error", 3, nil, io.ErrShortWrite},
		{"none, without an error", 0, nil, io.ErrShortWrite},
		{"all, with an error", -1, reset, reset},
		{"more than there was", 99, nil, io.ErrShortWrite},
	} {
		for _, text := range everyFormat {
			t.Run(c.name+" "+text, func(t *testing.T) {
				s := &stream{steps: script{{c.n, c.err}}}
				w := newWriter(t, s, text, 0)
				n, err := w.Write([]byte("hello"))
				if n != 0 || !errors.Is(err, c.want) || errors.Is(err, frame.ErrRefused) || !strings.Contains(err.Error(), "cannot be used further") {
					t.Errorf("Write = %d, %v", n, err)
				}
				if _, again := w.Write([]byte("hello")); again != err || len(s.writes) != 1 {
					t.Errorf("then %v, and %d writes", again, len(s.writes))
				}
			})
		}
	}
}

func TestWriteThatTookNothingCanBeTriedAgain(t *testing.T) {
	for _, text := range everyFormat {
		s := &stream{steps: script{{0, os.ErrDeadlineExceeded}}}
		w := newWriter(t, s, text, 0)
		if _, err := w.Write([]byte("hello")); err != os.ErrDeadlineExceeded {
			t.Errorf("%s: %v", text, err)
		}
		if n, err := w.Write([]byte("hello")); n != 5 || err != nil {
			t.Errorf("%s: then %d, %v", text, n, err)
		}
	}
}

// Several messages leave as they would one by one, up to one that is refused or that the stream does
// not take.
func TestWriteSeveral(t *testing.T) {
	long := strings.Repeat("x", 40<<10)
	for _, c := range []struct {
		format   string
		messages []string
		n        int
		want     string // of the error
	}{
		{"lines", []string{"a", "", "bc"}, 3, ""},
		{"len32", []string{long, long, "a", long + long, "b"}, 5, ""},
		{"lines", []string{"a", "b\nc", "d"}, 1, "byte 1 is one"},
		{"lines", []string{"b\nc", "d"}, 0, "byte 1 is one"},
		{"fixed:2", []string{"aa", "bb", "c"}, 2, "exactly 2"},
		{"chunk:2", []string{"aa", "b"}, 2, ""},
		{"netstring", nil, 0, ""},
	} {
		t.Run(c.format, func(t *testing.T) {
			var messages [][]byte
			var want []byte
			for i, m := range c.messages {
				messages = append(messages, []byte(m))
				if i < c.n {
					want, _ = parse(t, c.format).Append(want, []byte(m))
				}
			}
			var out bytes.Buffer
			n, err := newWriter(t, &out, c.format, 0).WriteSeveral(messages)
			if n != c.n || !bytes.Equal(out.Bytes(), want) {
				t.Errorf("%d messages, %d bytes; want %d, %d", n, out.Len(), c.n, len(want))
			}
			if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, frame.ErrRefused) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the error is %v; want %q", err, c.want)
			}
		})
	}
	for took, c := range map[int]struct {
		n      int
		broken bool
	}{0: {0, false}, 1: {0, true}, 2: {1, false}, 5: {2, true}, 6: {3, false}} {
		w := newWriter(t, &stingy{took}, "lines", 0)
		n, err := w.WriteSeveral([][]byte{[]byte("a"), []byte("b"), []byte("c"), []byte("d")})
		if n != c.n || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a stream that takes %d bytes took %d messages, %v", took, n, err)
		}
		if _, err := w.Write([]byte("e")); strings.Contains(err.Error(), "cannot be used further") != c.broken {
			t.Errorf("after %d bytes: %v", took, err)
		}
	}
}

// A stingy stream takes so many bytes.
type stingy struct{ takes int }

func (s *stingy) Write(b []byte) (int, error) {
	n := min(len(b), s.takes)
	if s.takes -= n; n < len(b) {
		return n, io.ErrClosedPipe
	}
	return n, nil
}
