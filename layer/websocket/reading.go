package websocket

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/gobwas/ws"

	"zocalo/codec"
)

// A reading takes the frames of a connection apart. The turn of reading is the caller's.
type reading struct {
	in     input
	client bool // the peer is
	packs  bool // permessage-deflate was agreed on
	bytes  bool // messages are bytes of a stream, of which none is too long
	most   int64

	head   [ws.MaxHeaderSize]byte // of the next frame, as far as it has come
	headed int

	control   ws.Header // of the control frame at hand
	inControl bool
	said      [ws.MaxControlFramePayloadSize]byte
	saidN     int

	frame  ws.Header // of the data frame at hand
	left   int64     // bytes of its payload to come
	offset int       // of the next, in the mask: less than 4, however long the frame
	open   bool      // a message has begun, and is not over
	text   bool
	packed bool
	ended  bool  // WaitRead has met the end of a message that is still to be told
	size   int64 // bytes of the message that have come
	utf8   textCheck

	messages   uint32 // that were read
	looksAhead bool   // the next message is whole:
	ahead      ahead

	gathered []byte    // of a compressed message
	unpacker *unpacker // of such a one, once all of it has come
}

// header returns the header of the next frame.
func (r *reading) header() (h ws.Header, err error) {
	if b := r.in.bytes(); r.headed == 0 {
		if n := headerSize(b); len(b) >= n {
			r.in.from += n
			err = parseHeader(b, &h)
			return h, err
		}
	}
	for {
		need := headerSize(r.head[:r.headed])
		if r.headed == need {
			r.headed = 0
			err = parseHeader(r.head[:], &h)
			return h, err
		}
		if r.in.isEmpty() {
			if err := r.in.fill(); err != nil {
				return h, err
			}
		}
		n := copy(r.head[r.headed:need], r.in.bytes())
		r.headed += n
		r.in.from += n
	}
}

// parseHeader reads a header that is whole. ws.ReadHeader does, from a reader, and takes as
// long as all the rest of a short message.
func parseHeader(b []byte, h *ws.Header) error {
	*h = ws.Header{Fin: b[0]&0x80 != 0, Rsv: b[0] & 0x70 >> 4, OpCode: ws.OpCode(b[0] & 0xf), Masked: b[1]&0x80 != 0, Length: int64(b[1] & 0x7f)}
	mask := b[ws.MinHeaderSize:]
	switch h.Length {
	case 126:
		h.Length, mask = int64(binary.BigEndian.Uint16(mask)), mask[2:]
	case 127:
		length := binary.BigEndian.Uint64(mask)
		if length > math.MaxInt64 {
			return violates(ws.ErrHeaderLengthMSB.Error())
		}
		h.Length, mask = int64(length), mask[8:]
	}
	if h.Masked {
		copy(h.Mask[:], mask)
	}
	return nil
}

// headerSize is how long a header is that begins so, at least.
func headerSize(b []byte) int {
	if len(b) < ws.MinHeaderSize {
		return ws.MinHeaderSize
	}
	n := ws.MinHeaderSize
	switch b[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// isBetween reports whether nothing is at hand of a message or a control frame, so that the
// input begins with a header.
func (r *reading) isBetween() bool {
	return r.headed == 0 && !r.open && !r.inControl && !r.ended
}

// An ahead is a message that is whole in the input.
type ahead struct {
	payload []byte // still masked
	size    int    // with its header
	text    bool
	mask    [4]byte
}

// whole reports whether the input begins with a message all of which is there, in one
// frame that breaks no rule and is not compressed: most are so. It is ahead then.
func (r *reading) whole() bool {
	b := r.in.bytes()
	const final = 0x80
	if len(b) < ws.MinHeaderSize || b[0] != final|byte(ws.OpBinary) && b[0] != final|byte(ws.OpText) || b[1]&0x80 != 0 != r.client {
		return false
	}
	at, length := ws.MinHeaderSize, int(b[1]&0x7f)
	switch {
	case length == 127: // more than the input holds, or not as short as it has to be
		return false
	case length == 126 && len(b) < at+2:
		return false
	case length == 126:
		length = int(binary.BigEndian.Uint16(b[at:]))
		at += 2
	}
	a := &r.ahead
	if r.client {
		if len(b) < at+len(a.mask) {
			return false
		}
		a.mask = [4]byte(b[at:])
		at += len(a.mask)
	}
	size := at + length
	if size > len(b) || int64(length) > r.most && !r.bytes {
		return false
	}
	a.payload, a.size, a.text = b[at:size:size], size, b[0] == final|byte(ws.OpText)
	return true
}

// unmaskAhead takes the mask off the message ahead, in its place.
func (r *reading) unmaskAhead() []byte {
	if r.client {
		ws.Cipher(r.ahead.payload, r.ahead.mask, 0)
	}
	return r.ahead.payload
}

// state is what the rules for headers depend on.
func (r *reading) state() ws.State {
	s := ws.StateClientSide
	if r.client {
		s = ws.StateServerSide
	}
	if r.open {
		s |= ws.StateFragmented
	}
	if r.packs {
		s |= ws.StateExtended
	}
	return s
}

// next goes on to the next piece of a message, and sees to control frames before it.
// over says that there is none: the message is at its end.
func (e *endpoint) next() (over bool, err error) {
	r := &e.reader
	for {
		switch {
		case r.ended:
			r.ended = false
			return true, nil
		case r.inControl:
			if err := e.takeControl(); err != nil {
				return false, err
			}
			continue
		case r.unpacker != nil, r.open && r.left > 0 && !r.packed:
			return false, nil
		case r.open && r.left > 0:
			if err := e.gather(); err != nil {
				return false, err
			}
			continue
		case r.open && r.frame.Fin && r.packed:
			if err := e.unpack(); err != nil {
				return false, err
			}
			continue
		case r.open && r.frame.Fin:
			r.open = false
			if r.text && !r.utf8.end() {
				return false, errNoText
			}
			return true, nil
		}
		h, err := r.header()
		if err != nil {
			return false, err
		}
		if err := r.begins(h); err != nil {
			return false, err
		}
	}
}

var errNoText error = &violation{ws.StatusInvalidFramePayloadData, "a text message from the peer is not UTF-8"}

// begins begins a frame.
func (r *reading) begins(h ws.Header) error {
	if err := ws.CheckHeader(h, r.state()); err != nil {
		return violates(err.Error())
	}
	compressed := h.Rsv1()
	if h.Rsv2() || h.Rsv3() || compressed && (h.OpCode.IsControl() || r.open) {
		return violates(ws.ErrProtocolNonZeroRsv.Error())
	}
	if h.OpCode.IsControl() {
		r.control, r.inControl, r.saidN = h, true, 0
		return nil
	}
	if !r.open {
		r.open, r.text, r.packed, r.size = true, h.OpCode == ws.OpText, compressed, 0
		r.utf8 = textCheck{}
	}
	r.frame, r.left, r.offset = h, h.Length, 0
	if (!r.bytes || r.packed) && (h.Length > r.most || r.size+h.Length > r.most) {
		return tooBig(r.most)
	}
	return nil
}

func tooBig(most int64) error {
	return &violation{ws.StatusMessageTooBig, fmt.Sprintf("a message is longer than max-message=%s", codec.FormatSize(most))}
}

// piece takes the next of the payload at hand, at most len(b) bytes of it, into b; with no
// b it is dropped.
func (e *endpoint) piece(b []byte) (n int, err error) {
	r := &e.reader
	if r.unpacker != nil {
		return e.unpacked(b)
	}
	in := &r.in
	var data []byte
	switch direct := min(int64(len(b)), r.left); {
	case !in.isEmpty():
	case direct >= bufferSize/2 && !in.bounded:
		if n, err = in.fillFrom(b[:direct]); err != nil {
			return 0, err
		}
		data = b[:n]
	default:
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	if data == nil {
		data = in.bytes()
		data = data[:min(int64(len(data)), r.left)]
		if len(b) > 0 {
			data = data[:min(len(data), len(b))]
		}
		in.from += len(data)
	}
	n = len(data)
	r.unmask(data)
	r.left -= int64(n)
	r.size += int64(n)
	if r.text && !r.utf8.piece(data) {
		return 0, errNoText
	}
	if len(b) > 0 && &data[0] != &b[0] {
		copy(b, data)
	}
	return n, nil
}

func (r *reading) unmask(b []byte) {
	if r.frame.Masked {
		ws.Cipher(b, r.frame.Mask, r.offset)
		r.offset = (r.offset + len(b)) & 3
	}
}

// takeControl sees to the control frame at hand, once it is whole.
func (e *endpoint) takeControl() error {
	r := &e.reader
	for r.saidN < int(r.control.Length) {
		if r.in.isEmpty() {
			if err := r.in.fill(); err != nil {
				return err
			}
		}
		n := copy(r.said[r.saidN:r.control.Length], r.in.bytes())
		r.saidN += n
		r.in.from += n
	}
	r.inControl = false
	said := r.said[:r.saidN]
	if r.control.Masked {
		ws.Cipher(said, r.control.Mask, 0)
	}
	switch r.control.OpCode {
	case ws.OpPing:
		e.out.leavePong(said)
		e.push()
	case ws.OpClose:
		c, err := parseClose(said)
		if err == nil && r.open {
			err = violates("a Close frame in the middle of a message")
		}
		if err != nil {
			return err
		}
		return e.closedBy(c)
	}
	return nil
}

// cutShort is what an end of the connection beneath is.
func cutShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errCut
	}
	return err
}
