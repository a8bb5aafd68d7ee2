package hub

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The sizes of frames, in bytes.
const (
	MaxFrame = 1024 // the longest that a client of a NetHub takes
	Longest  = 1518 // of Ethernet's, with a VLAN tag and no check sequence
	header   = 14   // of Ethernet: to, from, type
)

// A Framing is how frames follow one another on a stream.
type Framing uint8

const (
	// Detect is NetHub's, unless the first message is QEMU's announcement:
	// 14 bytes of zero after their length in 4.
	Detect Framing = iota
	// NetHub has the length before each frame in 2 bytes, the most
	// significant first, and only frames of an even number of bytes.
	NetHub
	// QEMU has the length in 4 bytes (-netdev socket).
	QEMU
)

// String returns the framing's name.
func (f Framing) String() string {
	switch f {
	case NetHub:
		return "nethub"
	case QEMU:
		return "qemu"
	}
	return "not known yet"
}

// Append appends a frame with its length to b. One of an odd number of bytes
// gets one more, 0, where the framing wants that.
func (f Framing) Append(b, frame []byte) []byte {
	n := len(frame)
	if f == QEMU {
		return append(binary.BigEndian.AppendUint32(b, uint32(n)), frame...)
	}
	b = append(binary.BigEndian.AppendUint16(b, uint16(n+n&1)), frame...)
	if n&1 != 0 {
		b = append(b, 0)
	}
	return b
}

// A LengthError says that what comes on a stream are no frames.
type LengthError struct{ Length uint32 }

// Error returns it in one line.
func (e *LengthError) Error() string {
	return fmt.Sprintf("a frame of %d bytes is not an Ethernet frame: the other side does not speak NetHub's protocol", e.Length)
}

// A Reader takes frames from a stream.
type Reader struct {
	r       *bufio.Reader
	framing Framing
}

// NewReader returns a reader of frames in that framing. It reads ahead.
func NewReader(r io.Reader, f Framing) *Reader {
	return &Reader{bufio.NewReaderSize(r, 16<<10), f}
}

// Framing returns the framing; [Detect] until the first frame told.
func (r *Reader) Framing() Framing { return r.framing }

// announcement is how a client says that its lengths have 4 bytes.
var announcement = [4 + header]byte{3: header}

// Next copies the next frame to b, which has room for [Longest] bytes, and
// returns its length, which may be less than a frame of Ethernet has. At the
// end of the stream the error is io.EOF. After any error the stream is good
// for nothing.
func (r *Reader) Next(b []byte) (int, error) {
	if err := r.detect(); err != nil {
		return 0, err
	}
	bytes := 2
	if r.framing == QEMU {
		bytes = 4
	}
	field, err := r.r.Peek(bytes)
	if err != nil {
		if err == io.EOF && len(field) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	var n uint32
	for _, urgent := range field {
		n = n<<8 | uint32(urgent)
	}
	if n > Longest {
		return 0, &LengthError{n}
	}
	r.r.Discard(bytes)
	if _, err := io.ReadFull(r.r, b[:n]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	return int(n), nil
}

// detect looks at as much of the stream as tells its framing, if that is not
// known. The announcement is passed over. Anything else stays.
func (r *Reader) detect() error {
	if r.framing != Detect {
		return nil
	}
	for n := 1; n <= len(announcement); n++ {
		begin, err := r.r.Peek(n)
		if err != nil {
			if err == io.EOF && n > 1 {
				r.framing = NetHub // Next says what is missing
				return nil
			}
			return err
		}
		if begin[n-1] != announcement[n-1] {
			r.framing = NetHub
			return nil
		}
	}
	r.r.Discard(len(announcement))
	r.framing = QEMU
	return nil
}
