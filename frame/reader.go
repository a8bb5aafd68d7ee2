package frame

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	firstBuffer   = 4 << 10  // bytes, at the first read
	readAhead     = 64 << 10 // bytes that a buffer may reach because reads fill it
	maxEmptyReads = 100      // reads in a row that bring neither bytes nor an error
)

// A Reader takes the messages out of a stream. It reads ahead, so that the stream
// belongs to it (except in chunk, where each read is one message). It may not be
// used by two goroutines at once.
type Reader struct {
	src    io.Reader
	format Format
	limit  int // bytes of the longest message

	buf        []byte
	start, end int  // buf[start:end] is read, and not yet part of a message returned
	searched   int  // bytes of it known to hold no newline
	filled     bool // the last read left no room
	offset     int64
	first      int // sizes of buf: at the start,
	ahead      int // the most that full reads alone make of it,
	most       int // the most at all

	// What is left of a message refused for its length.
	skip      uint64 // bytes
	skipComma bool   // then the comma of a netstring
	skipLine  bool   // everything up to a newline

	pending error // came with bytes, and is due after them
	failed  error // final: the end of the stream, or of its order
}

// NewReader returns a Reader of messages in f on r, of at most limit bytes each.
// A limit of 0 means DefaultLimit, or N in fixed:N and chunk:N; a negative one is
// refused, and so is one below that N.
//
// The Reader allocates nothing before the first Next. Its buffer then grows as
// bytes arrive, never because a length was announced, to at most 64 KiB or the
// limit with its prefix, whichever is greater; in chunk:N it has N bytes at once.
func NewReader(r io.Reader, f Format, limit int) (*Reader, error) {
	limit, err := f.limit(limit)
	if err != nil {
		return nil, err
	}
	first, ahead, most := firstBuffer, readAhead, max(readAhead, limit+kinds[f.Kind].extra)
	if f.Kind == Chunk {
		first, ahead, most = f.Size, f.Size, f.Size
	}
	return &Reader{src: r, format: f, limit: limit, first: first, ahead: ahead, most: most}, nil
}

// Next returns the next message, without its marks. The slice is valid until the
// next call, and may be empty but not nil.
//
// The errors are io.EOF when the stream ended between messages; one that wraps
// io.ErrUnexpectedEOF when it ended inside one; *MalformedError when it broke its
// format. These are final, and every later call returns them again. After
// *TooLongError the next call goes on with the message that follows. Any other
// error is the stream's own: after one that passes, as os.ErrDeadlineExceeded, Next
// may be called again, and nothing that was read is lost.
func (r *Reader) Next() ([]byte, error) {
	if r.failed != nil {
		return nil, r.failed
	}
	if err := r.discard(); err != nil {
		return nil, err
	}
	switch r.format.Kind {
	case Lines:
		return r.line()
	case Chunk:
		if err := r.more(); err != nil {
			return nil, r.ended(err, 0)
		}
		return r.take(0, r.end-r.start, 0), nil
	}
	return r.prefixed()
}

// line returns the bytes up to the next newline.
func (r *Reader) line() ([]byte, error) {
	for {
		b := r.buf[r.start:r.end]
		size := bytes.IndexByte(b[r.searched:], '\n')
		if size >= 0 {
			size += r.searched
		}
		switch {
		case size > r.limit, size < 0 && len(b) > r.limit:
			// Where the line ends is told by chance, by how much was read
			// at once; the error does not depend on it.
			r.skipLine = true
			return nil, &TooLongError{Format: r.format, Limit: r.limit}
		case size >= 0:
			return r.take(0, size, 1), nil
		}
		r.searched = len(b)
		if err := r.more(); err == io.EOF && len(b) > 0 {
			r.failed = io.EOF
			return r.take(0, len(b), 0), nil
		} else if err != nil {
			return nil, r.ended(err, 0)
		}
	}
}

// prefixed returns a message whose length is known from its prefix or the format.
func (r *Reader) prefixed() ([]byte, error) {
	comma := 0
	if r.format.Kind == Netstring {
		comma = 1
	}
	for {
		b := r.buf[r.start:r.end]
		n, size, flaw := r.format.prefix(b)
		want := 0 // bytes with all marks, once known
		switch {
		case flaw != "":
			return nil, r.malformed(flaw)
		case n < 0:
		case size > uint64(r.limit):
			r.take(n, 0, 0)
			r.skip, r.skipComma = size, comma == 1
			return nil, &TooLongError{r.format, size, r.limit}
		default:
			want = n + int(size) + comma
			if len(b) < want {
				break
			}
			if comma == 1 && b[want-1] != ',' {
				return nil, r.malformed("no ',' stands at its end")
			}
			return r.take(n, int(size), comma), nil
		}
		if err := r.more(); err != nil {
			return nil, r.ended(err, want)
		}
	}
}

// discard passes over what is left of a message that was refused.
func (r *Reader) discard() error {
	for r.skip > 0 || r.skipComma || r.skipLine {
		b := r.buf[r.start:r.end]
		switch {
		case len(b) == 0:
			if err := r.more(); err == io.EOF && !r.skipLine {
				r.failed = fmt.Errorf("frame: the stream ended inside a message (%v) that was too long: %w", r.format, io.ErrUnexpectedEOF)
				return r.failed
			} else if err != nil {
				return r.ended(err, 0)
			}
		case r.skipLine:
			i := bytes.IndexByte(b, '\n')
			r.skipLine = i < 0
			if i < 0 {
				i = len(b) - 1
			}
			r.take(i+1, 0, 0)
		case r.skip > 0:
			n := min(r.skip, uint64(len(b)))
			r.skip -= n
			r.take(int(n), 0, 0)
		case b[0] != ',':
			return r.malformed("no ',' stands at the end of the one before")
		default:
			r.skipComma = false
			r.take(1, 0, 0)
		}
	}
	return nil
}

// take consumes a prefix, a message and what ends it, and returns the message.
func (r *Reader) take(prefix, size, suffix int) []byte {
	from := r.start + prefix
	to := from + size
	r.start = to + suffix
	r.offset += int64(prefix + size + suffix)
	r.searched = 0
	return r.buf[from:to:to]
}

// more reads once from the stream. It returns nil when at least a byte came.
func (r *Reader) more() error {
	if err := r.pending; err != nil {
		r.pending = nil
		return err
	}
	r.room()
	for range maxEmptyReads {
		free := r.buf[r.end:]
		n, err := r.src.Read(free)
		if n < 0 || n > len(free) {
			r.failed = errors.New("frame: the stream's Read returned an impossible count: its implementation is at fault")
			return r.failed
		}
		if n > 0 {
			r.end += n
			r.filled = n == len(free)
			r.pending = err
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// room makes space for a read: it moves what is held to the front of the buffer,
// and enlarges the buffer when that is full, or was when it was last read into.
func (r *Reader) room() {
	held, size := r.end-r.start, len(r.buf)
	switch {
	case size == 0:
		size = r.first
	case held == size:
		size = double(size, r.most)
	case held == 0 && r.filled:
		size = double(size, max(size, r.ahead))
	}
	to := r.buf
	if size > len(to) {
		to = make([]byte, size)
	} else if r.start == 0 {
		return // a copy onto itself would cost as much as any, at each read
	}
	copy(to, r.buf[r.start:r.end])
	r.buf, r.start, r.end = to, 0, held
}

// double returns twice n, or most where that is less, without overflow.
func double(n, most int) int {
	if n > most/2 {
		return most
	}
	return 2 * n
}

// malformed ends the stream for what is wrong with the message at r.start.
func (r *Reader) malformed(flaw string) error {
	r.failed = &MalformedError{r.format, r.offset, flaw}
	return r.failed
}

// ended returns what Next makes of an error of the stream, met while it waited for
// a message of want bytes with its marks (0: not known).
func (r *Reader) ended(err error, want int) error {
	held := r.end - r.start
	switch {
	case err != io.EOF:
		return err
	case held == 0:
		r.failed = io.EOF
	case want == 0:
		r.failed = fmt.Errorf("frame: the stream ended inside the length of a message (%v), after %d bytes of it: %w", r.format, held, io.ErrUnexpectedEOF)
	default:
		r.failed = fmt.Errorf("frame: the stream ended inside a message (%v): %d of %d bytes came, %d are missing: %w", r.format, held, want, want-held, io.ErrUnexpectedEOF)
	}
	return r.failed
}
