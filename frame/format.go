package frame

import (
	"fmt"
	"math"
	"strconv"
)

// DefaultLimit is the longest message, in bytes, that a Reader or a Writer takes
// when its limit is given as 0. It is more than any datagram (64 KiB) and than a
// packet of a Unix socket with Linux's usual buffers (208 KiB).
const DefaultLimit = 1 << 20

// MaxSize is the greatest N, in bytes, of fixed:N and chunk:N.
const MaxSize = 1 << 30

// A Kind is a family of formats. Its zero value is no format.
type Kind uint8

// The kinds of format; the package comment describes each.
const (
	Lines Kind = iota + 1
	Len16
	Len32
	Varint
	Netstring
	Fixed
	Chunk
)

// kinds holds what is known of each Kind, in the order of the package comment.
var kinds = [...]struct {
	name  string
	sized bool // the name is followed by :N
	empty bool // it carries an empty message
	max   uint64
	extra int // the most bytes that it adds to a message
}{
	Lines:     {name: "lines", empty: true, max: math.MaxUint64, extra: 1},
	Len16:     {name: "len16", empty: true, max: math.MaxUint16, extra: 2},
	Len32:     {name: "len32", empty: true, max: math.MaxUint32, extra: 4},
	Varint:    {name: "varint", empty: true, max: math.MaxUint64, extra: 10},
	Netstring: {name: "netstring", empty: true, max: math.MaxUint64, extra: maxDigits + 2},
	Fixed:     {name: "fixed", sized: true},
	Chunk:     {name: "chunk", sized: true},
}

// A Format is an agreement on how messages are marked on a stream. Formats compare
// with ==. The zero Format is none: readers and writers refuse it.
type Format struct {
	Kind Kind
	Size int // bytes, 1 to MaxSize, for Fixed and Chunk; 0 for the others
}

// check reports why f is not a format, if it is not.
func (f Format) check() error {
	switch {
	case f.Kind == 0:
		return fmt.Errorf("frame: no format given: choose one of %s", list())
	case int(f.Kind) >= len(kinds):
		return fmt.Errorf("frame: unknown %v: choose one of %s", f, list())
	case !kinds[f.Kind].sized && f.Size != 0:
		return fmt.Errorf("frame: %s takes no size, and got %d", kinds[f.Kind].name, f.Size)
	case kinds[f.Kind].sized && (f.Size < 1 || f.Size > MaxSize):
		return fmt.Errorf("frame: the size of %v must be 1 to %d bytes", f, MaxSize)
	}
	return nil
}

// String returns the name that Parse reads, as "lines" or "fixed:512", and the
// empty string for the zero Format.
func (f Format) String() string {
	switch {
	case f.Kind == 0:
		return ""
	case int(f.Kind) >= len(kinds):
		return "format kind " + strconv.Itoa(int(f.Kind))
	case kinds[f.Kind].sized:
		return kinds[f.Kind].name + ":" + strconv.Itoa(f.Size)
	}
	return kinds[f.Kind].name
}

// Max returns the longest message that f itself can carry, in bytes, whatever the
// limit of a Reader or Writer; math.MaxInt where the format sets no bound, and 0
// for what is no format.
func (f Format) Max() int {
	switch {
	case f.check() != nil:
		return 0
	case kinds[f.Kind].sized:
		return f.Size
	}
	return int(min(kinds[f.Kind].max, math.MaxInt))
}

// limit returns the longest message to allow in f where the caller asked for n.
func (f Format) limit(n int) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	sized := kinds[f.Kind].sized
	switch {
	case n < 0:
		return 0, fmt.Errorf("frame: the limit of a message is %d bytes: give 1 or more, or 0 for the default", n)
	case n == 0 && sized:
		n = f.Size
	case n == 0:
		n = DefaultLimit
	case sized && f.Size > n:
		return 0, fmt.Errorf("frame: %v exceeds the limit of %d bytes a message: give a smaller size, or raise the limit", f, n)
	}
	// What the format adds must fit an int beside the message.
	return min(n, f.Max(), math.MaxInt-kinds[f.Kind].extra), nil
}
