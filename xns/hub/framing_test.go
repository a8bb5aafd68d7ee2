package hub

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// ofLength returns a frame of that many bytes.
func ofLength(n int) []byte { return bytes.Repeat([]byte{0xa0}, n) }

func TestReader(t *testing.T) {
	const qemu = "0000000e0000000000000000000000000000"
	for _, c := range []struct {
		name, stream, frames string // in hexadecimal
		framing              Framing
		err                  error
	}{
		{"nothing", "", "", Detect, io.EOF},
		{"two", "0002aabb0004ccddeeff", "aabb ccddeeff", NetHub, io.EOF},
		{"an empty one", "00000002aabb", "empty aabb", NetHub, io.EOF},
		{"an odd one", "0001aa0002bbcc", "aa bbcc", NetHub, io.EOF},
		{"cut in the length", "0002aabb00", "aabb", NetHub, io.ErrUnexpectedEOF},
		{"cut in the frame", "0003aabb", "", NetHub, io.ErrUnexpectedEOF},
		{"half a length", "00", "", NetHub, io.ErrUnexpectedEOF},
		{"announced", qemu + "00000003aabbcc00000001dd", "aabbcc dd", QEMU, io.EOF},
		{"announced alone", qemu, "", QEMU, io.EOF},
		{"announced twice", qemu + qemu, "0000000000000000000000000000", QEMU, io.EOF},
		{"nearly announced", "0000000e0000000000000000000000000001", "empty 0000000000000000000000000001", NetHub, io.EOF},
		{"announced too late", "0002aabb" + qemu, "aabb empty 0000000000000000000000000000", NetHub, io.EOF},
		{"half announced", qemu[:20], "empty", NetHub, io.ErrUnexpectedEOF},
		{"the longest", "05ee" + hex.EncodeToString(ofLength(Longest)), hex.EncodeToString(ofLength(Longest)), NetHub, io.EOF},
		{"too long", "05ef", "", NetHub, &LengthError{1519}},
		{"too long, announced", qemu + "00010000", "", QEMU, &LengthError{65536}},
		{"another protocol", hex.EncodeToString([]byte("GET / HTTP/1.1\r\n\r\n")), "", NetHub, &LengthError{0x4745}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stream, err := hex.DecodeString(c.stream)
			if err != nil {
				t.Fatal(err)
			}
			for how, r := range map[string]io.Reader{"at once": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream))} {
				got, framing, err := readAll(r, Detect)
				var want []string
				if c.frames != "" {
					want = strings.Split(strings.ReplaceAll(c.frames, "empty", ""), " ")
				}
				if strings.Join(got, " ") != strings.Join(want, " ") || len(got) != len(want) || framing != c.framing {
					t.Errorf("%s: %.80q as %v, want %.80q as %v", how, got, framing, want, c.framing)
				}
				var wrong *LengthError
				if errors.As(c.err, &wrong) {
					var e *LengthError
					if !errors.As(err, &e) || *e != *wrong {
						t.Errorf("%s: %v, want %v", how, err, c.err)
					}
				} else if err != c.err {
					t.Errorf("%s: %v, want %v", how, err, c.err)
				}
			}
		})
	}
}

// readAll reads all frames of a stream, in hexadecimal.
func readAll(r io.Reader, f Framing) (frames []string, framing Framing, err error) {
	reader := NewReader(r, f)
	var b [Longest]byte
	for {
		n, err := reader.Next(b[:])
		if err != nil {
			return frames, reader.Framing(), err
		}
		frames = append(frames, hex.EncodeToString(b[:n]))
	}
}

func TestAppend(t *testing.T) {
	for f, want := range map[Framing]string{Detect: "0002ab00", NetHub: "0002ab00", QEMU: "00000001ab"} {
		if got := hex.EncodeToString(f.Append(nil, []byte{0xab})); got != want {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
	if got := hex.EncodeToString(NetHub.Append([]byte{1}, []byte{0xab, 0xcd})); got != "010002abcd" {
		t.Error(got)
	}
}

// FuzzReader reads whatever comes. What was read and is written again reads
// the same.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x00\x02ab\x00\x00\x00\x04cdef"))
	f.Add(append(announcement[:], "\x00\x00\x00\x03abc"...))
	f.Add([]byte("\xff\xff"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		frames, framing, err := readAll(bytes.NewReader(stream), Detect)
		if err == nil {
			t.Fatal("no end")
		}
		var again []byte
		for _, text := range frames {
			frame, _ := hex.DecodeString(text)
			if len(frame)%2 == 0 || framing == QEMU {
				again = framing.Append(again, frame)
			} else { // without the byte that Append would add
				again = append(append(again, byte(len(frame)>>8), byte(len(frame))), frame...)
			}
		}
		same, _, err := readAll(bytes.NewReader(again), framing)
		if err != io.EOF || strings.Join(same, " ") != strings.Join(frames, " ") {
			t.Errorf("%q became %q, %v", frames, same, err)
		}
	})
}
