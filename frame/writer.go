package frame

import (
	"fmt"
	"io"
	"sync"
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
	if err := w.tooLong(msg); err != nil {
		return 0, err
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
	if err = w.taken(n, len(out), err); err != nil {
		return 0, err
	}
	return len(msg), nil
}

func (w *Writer) tooLong(msg []byte) error {
	if w.format.Kind != Fixed && len(msg) > w.limit {
		return &TooLongError{w.format, uint64(len(msg)), w.limit}
	}
	return nil
}

// taken is the error of a message of which the stream took n of its bytes there.
func (w *Writer) taken(n, size int, err error) error {
	switch {
	case err == nil && n == size:
		return nil
	case err == nil:
		err = io.ErrShortWrite
	case n == 0:
		return err
	}
	w.failed = fmt.Errorf("frame: the stream took %d of the %d bytes of a message (%v) and cannot be used further: %w", n, size, w.format, err)
	return w.failed
}

// A gathering is messages that are written at once. Its memory is lent.
type gathering struct {
	memory [64 << 10]byte
	ends   []int // of each message
}

var gatherings = sync.Pool{New: func() any { return &gathering{} }}

// WriteSeveral writes messages in order, as Write does each, but by one Write to the stream for up
// to 64 KiB of them. It returns how many were written; the error is that of the next.
func (w *Writer) WriteSeveral(messages [][]byte) (n int, err error) {
	if w.failed != nil {
		return 0, w.failed
	}
	g := gatherings.Get().(*gathering)
	defer gatherings.Put(g)
	for n < len(messages) {
		out, refused := w.gather(g, messages[n:])
		if len(g.ends) == 0 {
			if _, err := w.Write(messages[n]); err != nil {
				return n, err
			}
			n++
			continue
		}
		took, err := w.dst.Write(out)
		start := 0
		for _, end := range g.ends {
			if took < end {
				return n, w.taken(took-start, end-start, err)
			}
			start = end
			n++
		}
		if refused != nil {
			return n, refused
		}
	}
	return n, nil
}

// gather marks the first messages, as many as fit, or up to one that is refused.
func (w *Writer) gather(g *gathering, messages [][]byte) (out []byte, refused error) {
	g.ends = g.ends[:0]
	out = g.memory[:0]
	for _, msg := range messages {
		if len(out)+len(msg) > len(g.memory)-kinds[w.format.Kind].extra {
			break
		}
		if refused = w.tooLong(msg); refused == nil {
			out, refused = w.format.Append(out, msg)
		}
		if refused != nil {
			break
		}
		g.ends = append(g.ends, len(out))
	}
	return out, refused
}
