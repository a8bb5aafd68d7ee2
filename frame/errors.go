package frame

import (
	"errors"
	"fmt"
)

// ErrRefused is matched by every error that refuses one message and leaves the
// stream in order: count it, and go on with the next message.
var ErrRefused = errors.New("frame: message refused")

// A TooLongError refuses a message that exceeds what may be read or written. It
// matches ErrRefused: the next call of Reader.Next passes over what is left of the
// message, and of a message refused by a Writer nothing was written.
type TooLongError struct {
	Format Format
	Size   uint64 // bytes of the message; 0 when not known, as for a line that is read
	Limit  int    // bytes allowed: the limit set, or the most that the format carries
}

func (e *TooLongError) Error() string {
	size := "a message"
	if e.Size > 0 {
		size = fmt.Sprintf("a message of %d bytes", e.Size)
	}
	if e.Limit == e.Format.Max() {
		return fmt.Sprintf("frame: %s was refused: %v carries at most %d: choose another format, or send shorter messages", size, e.Format, e.Limit)
	}
	return fmt.Sprintf("frame: %s (%v) was refused: the limit is %d bytes: raise it, or send shorter messages", size, e.Format, e.Limit)
}

// Is reports whether target is ErrRefused.
func (e *TooLongError) Is(target error) bool { return target == ErrRefused }

// A RefusedError refuses to write a message that the format cannot carry for
// another reason than its being too long. Nothing was written. It matches ErrRefused.
type RefusedError struct {
	Format Format
	Size   int    // bytes of the message
	Reason string // a clause that says what the format cannot carry, and what to do
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("frame: a message of %d bytes was refused: %v %s", e.Size, e.Format, e.Reason)
}

// Is reports whether target is ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// A MalformedError says that a stream does not follow its format. Where the next
// message begins is not known, so that nothing more can be read.
type MalformedError struct {
	Format Format
	Offset int64  // bytes of the stream before the message at fault
	Reason string // what is wrong with it
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("frame: the message at byte %d of the stream is not a %v: %s: does the peer use this format?", e.Offset, e.Format, e.Reason)
}
