package frame

import (
	"fmt"
	"io"
)

// A Writer puts messages on a stream. It may not be used by two goroutines at once.
type Writer struct {
	dst    io.Writer
	format Format
	limit  int // bytes of the longest message
	buf    []byte
	failed error
}

// NewWriter returns a Writer of messages in f to w, of at most limit bytes each.
// The limit is as for NewReader. The Writer keeps a buffer for the longest message
// written so far, in fixed:N and chunk:N none.
func NewWriter(w io.Writer, f Format, limit int) (*Writer, error) {
	limit, err := f.limit(limit)
	if err != nil {
		return nil, err
	}
	return &Writer{dst: w, format: f, limit: limit}, nil
}

// Write writes msg as one message, marks included, by one Write to the stream, and
// returns len(msg). On any error it returns 0.
//
// A message too long is refused with *TooLongError, one that the format cannot
// carry with *RefusedError (both match ErrRefused), and nothing is written. When the
// stream's Write fails before it took a byte, its error is returned as it is and
// the message may be tried again. When it took some and failed, the peer can no
// longer tell where a message begins: the error says so, wraps the stream's
// (io.ErrShortWrite if it gave none), and every later call returns it again.
func (w *Writer) Write(msg []byte) (int, error) {
	if w.failed != nil {
		return 0, w.failed
	}
	if w.format.Kind != Fixed && len(msg) > w.limit {
		return 0, &TooLongError{w.format, uint64(len(msg)), w.limit}
	}
	out, err := msg, error(nil)
	if kinds[w.format.Kind].extra > 0 {
		out, err = w.format.Append(w.buf[:0], msg)
		w.buf = out
	} else {
		err = w.format.refuse(msg)
	}
	if err != nil {
		return 0, err
	}
	n, err := w.dst.Write(out)
	switch {
	case err == nil && n == len(out):
		return len(msg), nil
	case err == nil:
		err = io.ErrShortWrite
	case n == 0:
		return 0, err
	}
	w.failed = fmt.Errorf("frame: the stream took %d of the %d bytes of a message (%v) and cannot be used further: %w", n, len(out), w.format, err)
	return 0, w.failed
}
