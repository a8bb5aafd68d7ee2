package frame_test

import (
	"errors"
	"io"
	"os"
	"testing"

	"zocalo/frame"
	"zocalo/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// everyFormat is one format of each kind, for messages of up to 600 bytes.
var everyFormat = []string{"lines", "len16", "len32", "varint", "netstring", "fixed:5", "chunk:600"}

func parse(t testing.TB, text string) frame.Format {
	t.Helper()
	f, err := frame.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newReader(t testing.TB, r io.Reader, text string, limit int) *frame.Reader {
	t.Helper()
	fr, err := frame.NewReader(r, parse(t, text), limit)
	if err != nil {
		t.Fatal(err)
	}
	return fr
}

func newWriter(t testing.TB, w io.Writer, text string, limit int) *frame.Writer {
	t.Helper()
	fw, err := frame.NewWriter(w, parse(t, text), limit)
	if err != nil {
		t.Fatal(err)
	}
	return fw
}

// readAll returns the messages of r and how it ended, io.EOF included. It goes on
// after deadlines and, marking them "!", after messages refused.
func readAll(r *frame.Reader) (got []string, err error) {
	for {
		msg, err := r.Next()
		switch {
		case err == nil:
			got = append(got, string(msg))
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, frame.ErrRefused):
			got = append(got, "!")
		default:
			return got, err
		}
	}
}

// flaky returns at most one byte a read, and a passing error before each.
type flaky struct {
	src  io.Reader
	fail bool
}

func (f *flaky) Read(p []byte) (int, error) {
	if f.fail = !f.fail; f.fail {
		return 0, os.ErrDeadlineExceeded
	}
	return f.src.Read(p[:1])
}

// together returns at most size bytes a read, and a passing error with them.
type together struct {
	src  io.Reader
	size int
}

func (g *together) Read(p []byte) (int, error) {
	n, err := g.src.Read(p[:min(len(p), g.size)])
	if err == nil {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}
