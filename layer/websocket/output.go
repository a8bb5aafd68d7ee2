package websocket

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"zocalo/socket"
)

// pieceSize is the most of a message of the connection beneath.
const pieceSize = 16 << 10

// An output is the frames that the connection beneath has not taken yet. They belong to whoever
// has the turn of writing; others leave control frames for it.
type output struct {
	lower   *socket.Socket
	bounded bool // lower carries messages
	masks   bool // as clients do

	out    []byte // whole frames, in lent unless they are longer
	sent   int    // bytes of out that lower has taken
	lent   *[bufferSize]byte
	late   bool         // a deadline ended the last flush
	failed bool         // who wrote what is left was told an error
	ended  atomic.Bool  // the Close frame was made
	pinged atomic.Int64 // when the last ping was, since epoch

	asked atomic.Bool // there is something in what follows
	mu    sync.Mutex
	pongs []byte // what the pings that are to be answered said, each after its length
	pings bool   // one is to be sent
}

// mostPongs is how much of pings waits for an answer, at most: a peer that sends more and
// takes nothing gets an answer to the last.
const mostPongs = 2 << 10

// begin begins a frame.
func (o *output) begin(h *ws.Header) {
	o.lend()
	if o.masks {
		h.Masked, h.Mask = true, ws.NewMask()
	}
	first := h.Rsv<<4 | byte(h.OpCode)
	if h.Fin {
		first |= 0x80
	}
	var masked byte
	if h.Masked {
		masked = 0x80
	}
	switch {
	case h.Length < 126:
		o.out = append(o.out, first, masked|byte(h.Length))
	case h.Length <= math.MaxUint16:
		o.out = binary.BigEndian.AppendUint16(append(o.out, first, masked|126), uint16(h.Length))
	default:
		o.out = binary.BigEndian.AppendUint64(append(o.out, first, masked|127), uint64(h.Length))
	}
	if h.Masked {
		o.out = append(o.out, h.Mask[:]...)
	}
}

// payload adds a piece of the payload of a frame, which begins at an offset of it.
func (o *output) payload(h *ws.Header, b []byte, offset int) {
	at := len(o.out)
	o.out = append(o.out, b...)
	if o.masks {
		ws.Cipher(o.out[at:], h.Mask, offset)
	}
}

// addShort makes a frame of a message of up to 65535 bytes, if there is room for it.
func (o *output) addShort(op ws.OpCode, b []byte) bool {
	o.lend()
	if len(o.out)+ws.MaxHeaderSize+len(b) > cap(o.out) {
		return false
	}
	const final = 0x80
	var masked byte
	if o.masks {
		masked = 0x80
	}
	if len(b) < 126 {
		o.out = append(o.out, final|byte(op), masked|byte(len(b)))
	} else {
		o.out = append(o.out, final|byte(op), masked|126, byte(len(b)>>8), byte(len(b)))
	}
	if o.masks {
		mask := ws.NewMask()
		o.out = append(o.out, mask[:]...)
		o.out = append(o.out, b...)
		ws.Cipher(o.out[len(o.out)-len(b):], mask, 0)
	} else {
		o.out = append(o.out, b...)
	}
	return true
}

// control makes a control frame.
func (o *output) control(op ws.OpCode, b []byte) {
	h := ws.Header{Fin: true, OpCode: op, Length: int64(len(b))}
	o.begin(&h)
	o.payload(&h, b, 0)
}

// controls makes frames of what others have left, and reports whether there was
// something.
func (o *output) controls() bool {
	if o.ended.Load() || !o.asked.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked.Store(false)
	for b := o.pongs; len(b) > 0; b = b[1+b[0]:] {
		o.control(ws.OpPong, b[1:1+b[0]])
	}
	o.pongs = o.pongs[:0]
	if o.pings {
		o.control(ws.OpPing, nil)
		o.pings = false
		o.pinged.Store(now())
	}
	return true
}

// leavePong has the next flush answer a ping.
func (o *output) leavePong(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pongs)+1+len(b) > mostPongs {
		o.pongs = o.pongs[:0]
	}
	o.pongs = append(append(o.pongs, byte(len(b))), b...)
	o.asked.Store(true)
}

// leavePing has the next flush send a ping.
func (o *output) leavePing() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pings = true
	o.asked.Store(true)
}

// message makes a frame of buffers, one after the other, and has lower take it, unless
// hold says that another message is to follow at once. begun says that the frame is made:
// with an error, the rest goes when lower takes it.
func (o *output) message(h ws.Header, buffers [][]byte, hold bool) (begun bool, err error) {
	if n := len(o.out); n > 0 && n+ws.MaxHeaderSize+int(h.Length) > bufferSize {
		if err := o.flush(); err != nil {
			return false, err
		}
	}
	o.controls()
	start := len(o.out)
	o.begin(&h)
	offset := 0
	for _, b := range buffers {
		for len(b) > 0 {
			room := bufferSize - len(o.out)
			if err != nil { // the rest of what has begun
				room = len(b)
			}
			if room > 0 {
				n := min(len(b), room)
				o.payload(&h, b[:n], offset)
				offset += n
				b = b[n:]
				continue
			}
			if err = o.drain(); err != nil && o.sent <= start && !begun {
				o.retract(start)
				return false, err
			}
			begun = true
			o.lend()
		}
	}
	if err != nil || hold && !begun {
		return true, err
	}
	if err = o.drain(); err != nil {
		if o.sent <= start && !begun {
			o.retract(start)
			return false, err
		}
		return true, err
	}
	o.flush() // of others' control frames: an error is of those, and the next message meets it
	return true, nil
}

// lend takes memory for what is to be sent, where there is none.
func (o *output) lend() {
	if o.lent == nil {
		o.lent = memory.Get().(*[bufferSize]byte)
		o.out, o.sent = o.lent[:0], 0
	}
}

// retract takes back what was made from an offset on.
func (o *output) retract(start int) {
	if o.out = o.out[:start]; o.sent == start {
		o.empty()
	}
}

// close makes the Close frame.
func (o *output) close(c closure) {
	o.controls()
	o.ended.Store(true)
	var body []byte
	if c.code != 0 {
		body = ws.NewCloseFrameBody(c.code, c.reason)
	}
	o.control(ws.OpClose, body)
}

// flush has lower take what was made, and what others have left meanwhile: only between
// frames.
func (o *output) flush() error {
	for {
		if err := o.drain(); err != nil || !o.controls() {
			return err
		}
	}
}

// drain has lower take what was made.
func (o *output) drain() error {
	for o.sent < len(o.out) {
		b := o.out[o.sent:]
		if o.bounded {
			b = b[:min(len(b), pieceSize)]
		}
		n, err := o.lower.Write(b)
		o.sent += n
		o.late = errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil {
			return err
		}
	}
	o.empty()
	return nil
}

// empty gives the memory back.
func (o *output) empty() {
	o.out, o.sent, o.failed = nil, 0, false
	if o.lent != nil {
		memory.Put(o.lent)
		o.lent = nil
	}
}

// drop forgets what was made and not taken.
func (o *output) drop() {
	o.ended.Store(true)
	o.empty()
}

// stuck reports whether a deadline had the last flush leave something behind.
func (o *output) stuck() bool { return o.late && len(o.out) > o.sent }

// cut reports whether a message is left in part that its writer takes for failed.
func (o *output) cut() bool { return o.failed && len(o.out) > o.sent }
