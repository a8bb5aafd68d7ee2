package frame

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// Append appends msg, as f marks it on the wire, to dst and returns the extended
// slice; msg and dst must not overlap. A message that f cannot carry is refused
// with a *TooLongError or *RefusedError, and dst is returned as it was.
func (f Format) Append(dst, msg []byte) ([]byte, error) {
	if err := f.check(); err != nil {
		return dst, err
	}
	if err := f.refuse(msg); err != nil {
		return dst, err
	}
	switch f.Kind {
	case Lines:
		return append(append(dst, msg...), '\n'), nil
	case Len16:
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(msg)))
	case Len32:
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(msg)))
	case Varint:
		dst = binary.AppendUvarint(dst, uint64(len(msg)))
	case Netstring:
		dst = append(strconv.AppendInt(dst, int64(len(msg)), 10), ':')
		return append(append(dst, msg...), ','), nil
	}
	return append(dst, msg...), nil
}

// refuse reports why f, a valid format, cannot carry msg.
func (f Format) refuse(msg []byte) error {
	switch {
	case f.Kind == Fixed && len(msg) != f.Size:
		return &RefusedError{f, len(msg), fmt.Sprintf("carries exactly %d: pad or split it, or choose another format", f.Size)}
	case len(msg) > f.Max():
		return &TooLongError{f, uint64(len(msg)), f.Max()}
	case len(msg) == 0 && !kinds[f.Kind].empty:
		return &RefusedError{f, 0, "carries no empty message: choose another format"}
	case f.Kind == Lines:
		if i := bytes.IndexByte(msg, '\n'); i >= 0 {
			return &RefusedError{f, len(msg), fmt.Sprintf("carries no newline, and byte %d is one: choose a format with lengths, such as len32", i)}
		}
	}
	return nil
}
