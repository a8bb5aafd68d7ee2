package frame_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"zocalo/frame"
)

func FuzzParse(f *testing.F) {
	for _, text := range append(everyFormat, "", "fixed", "chunk:64KiB", "lines:3", "fixed:99999999999999999999", "net string") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		format, err := frame.Parse(text)
		if err != nil {
			if format != (frame.Format{}) || strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("Parse(%q) = %v, %q", text, format, err)
			}
			return
		}
		if again, err := frame.Parse(format.String()); err != nil || again != format {
			t.Fatalf("Parse(%q) = %v, %v; want %v", format.String(), again, err, format)
		}
		if _, err := frame.NewReader(nil, format, 0); err != nil {
			t.Fatalf("%v is parsed and then refused: %v", format, err)
		}
	})
}

// ending tells errors apart by what callers see of them.
func ending(err error) string {
	if bad := (*frame.MalformedError)(nil); errors.As(err, &bad) {
		return bad.Error()
	}
	return map[bool]string{true: "clean", false: "cut"}[err == io.EOF]
}

// FuzzReader reads any bytes in every format: messages keep to the limit, and
// neither they nor the end depend on how the stream was split.
func FuzzReader(f *testing.F) {
	for _, c := range wires {
		if len(c.wire) < 1000 {
			f.Add([]byte(c.wire), uint16(100))
			f.Add([]byte(c.wire), uint16(1))
		}
	}
	f.Add([]byte("9999999999999999999:x"), uint16(5))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"), uint16(5))
	f.Fuzz(func(t *testing.T, wire []byte, limit uint16) {
		limit = max(limit, 5) // fixed:5
		for _, text := range everyFormat {
			if strings.HasPrefix(text, "chunk") {
				continue // its messages are the splits
			}
			first, how := []string(nil), ""
			for name, src := range splits(string(wire)) {
				got, err := readAll(newReader(t, src, text, int(limit)))
				for _, msg := range got {
					if len(msg) > int(limit) {
						t.Fatalf("%s, %s: a message of %d bytes, limit %d", text, name, len(msg), limit)
					}
				}
				if !isEnd(err) && !errors.As(err, new(*frame.MalformedError)) {
					t.Fatalf("%s, %s: %v", text, name, err)
				}
				if how == "" {
					first, how = got, ending(err)
				} else if !slices.Equal(got, first) || ending(err) != how {
					t.Fatalf("%s, %s: %q, %v; another split gave %q, %s", text, name, got, err, first, how)
				}
			}
		}
	})
}

// cutter splits a stream where pattern says, again and again.
type cutter struct {
	src     io.Reader
	pattern []byte
	at      int
}

func (c *cutter) Read(p []byte) (int, error) {
	n := int(c.pattern[c.at%len(c.pattern)]) + 1
	c.at++
	return c.src.Read(p[:min(n, len(p))])
}

// FuzzRoundTrip writes messages, made by splitting data at a separator, and reads
// them back through arbitrary splits. Those refused must be missing, no others.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("hello,world,,fixed"), byte(','), []byte{0})
	f.Add([]byte("a\nb|c\r|\r|"), byte('|'), []byte{3, 0, 1})
	f.Add(bytes.Repeat([]byte("0123456789"), 1000), byte('x'), []byte{255, 7})
	f.Fuzz(func(t *testing.T, data []byte, separator byte, pattern []byte) {
		if len(pattern) == 0 {
			pattern = []byte{0}
		}
		for _, text := range everyFormat {
			var wire bytes.Buffer
			var sent []string
			w := newWriter(t, &wire, text, 0)
			for msg := range bytes.SplitSeq(data, []byte{separator}) {
				_, err := w.Write(msg)
				switch {
				case err == nil:
					sent = append(sent, string(msg))
				case !errors.Is(err, frame.ErrRefused):
					t.Fatalf("%s: %v", text, err)
				}
			}
			r := newReader(t, &cutter{src: bytes.NewReader(wire.Bytes()), pattern: pattern}, text, 0)
			got, err := readAll(r)
			if strings.HasPrefix(text, "chunk") { // the bytes come through, not the boundaries
				got, sent = []string{strings.Join(got, "")}, []string{strings.Join(sent, "")}
			}
			if !slices.Equal(got, sent) || err != io.EOF {
				t.Fatalf("%s: sent %q, got %q, %v", text, sent, got, err)
			}
		}
	})
}
