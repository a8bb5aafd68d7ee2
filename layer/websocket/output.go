package websocket

import (
	"errors"
	"os"
	"sync"

	"github.com/gobwas/ws"

	"zocalo/socket"
)

// pieceSize is the most of a message of the connection beneath.
const pieceSize = 16 << 10

// An output is the frames that the connection beneath has not taken yet. One goroutine at
// a time, which has the turn of writing, makes frames and has them taken; others leave
// control frames for it.
type output struct {
	lower   *socket.Socket
	bounded bool // lower carries messages
	masks   bool // as clients do

	mu     sync.Mutex // of what follows
	out    []byte     // whole frames, in lent unless they are longer
	sent   int        // bytes of out that lower has taken
	lent   *[bufferSize]byte
	late   bool // a deadline ended the last flush
	failed bool // that, or another error
	ended  bool // the Close frame was made

	header [ws.MaxHeaderSize]byte
	pongs  []byte // what the pings that are to be answered said, each after its length
	pings  bool   // one is to be sent
}

// mostPongs is how much of pings waits for an answer, at most: a peer that sends more and
// takes nothing gets an answer to the last.
const mostPongs = 2 << 10

// Write appends to what is to be sent, for ws.WriteHeaderBuffer.
func (o *output) Write(b []byte) (int, error) {
	o.out = append(o.out, b...)
	return len(b), nil
}

// begin begins a frame. The caller holds mu.
func (o *output) begin(h *ws.Header) {
	if o.lent == nil {
		o.lent = memory.Get().(*[bufferSize]byte)
		o.out, o.sent = o.lent[:0], 0
	}
	if o.masks {
		h.Masked, h.Mask = true, ws.NewMask()
	}
	ws.WriteHeaderBuffer(o, *h, o.header[:])
}

// payload adds a piece of the payload of a frame, which begins at an offset of it. The
// caller holds mu.
func (o *output) payload(h *ws.Header, b []byte, offset int) {
	at := len(o.out)
	o.out = append(o.out, b...)
	if o.masks {
		ws.Cipher(o.out[at:], h.Mask, offset)
	}
}

// control makes a control frame. The caller holds mu.
func (o *output) control(op ws.OpCode, b []byte) {
	h := ws.Header{Fin: true, OpCode: op, Length: int64(len(b))}
	o.begin(&h)
	o.payload(&h, b, 0)
}

// controls makes frames of what others have left, and reports whether there was
// something. The caller holds mu.
func (o *output) controls() bool {
	if o.ended || len(o.pongs) == 0 && !o.pings {
		return false
	}
	for b := o.pongs; len(b) > 0; b = b[1+b[0]:] {
		o.control(ws.OpPong, b[1:1+b[0]])
	}
	o.pongs = o.pongs[:0]
	if o.pings {
		o.control(ws.OpPing, nil)
		o.pings = false
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
}

// leavePing has the next flush send a ping, unless there is still something to be taken
// before it.
func (o *output) leavePing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.out) > 0 || o.ended {
		return false
	}
	o.pings = true
	return true
}

// message makes a frame of buffers, one after the other, and has lower take it, unless
// hold says that another message is to follow at once. begun says that the frame is made:
// with an error, the rest goes when lower takes it.
func (o *output) message(h ws.Header, buffers [][]byte, hold bool) (begun bool, err error) {
	o.mu.Lock()
	if n := len(o.out); n > 0 && n+ws.MaxHeaderSize+int(h.Length) > bufferSize {
		o.mu.Unlock()
		if err := o.flush(); err != nil {
			return false, err
		}
		o.mu.Lock()
	}
	o.controls()
	start := len(o.out)
	o.begin(&h)
	offset := 0
	for _, b := range buffers {
		for len(b) > 0 {
			room := bufferSize - len(o.out)
			if room <= 0 && err == nil {
				o.mu.Unlock()
				err = o.flush()
				o.mu.Lock()
				if err != nil && o.sent <= start && !begun {
					o.retract(start)
					o.mu.Unlock()
					return false, err
				}
				begun = true
				if err == nil && o.lent == nil {
					o.lent = memory.Get().(*[bufferSize]byte)
					o.out = o.lent[:0]
				}
				continue
			}
			n := len(b)
			if err == nil {
				n = min(n, room)
			}
			o.payload(&h, b[:n], offset)
			offset += n
			b = b[n:]
		}
	}
	o.mu.Unlock()
	if err != nil || hold && !begun {
		return true, err
	}
	if err = o.flush(); err == nil || begun {
		return true, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sent > start {
		return true, err
	}
	o.retract(start)
	return false, err
}

// retract takes back what was made from an offset on. The caller holds mu.
func (o *output) retract(start int) {
	if o.out = o.out[:start]; o.sent == start {
		o.empty()
	}
}

// close makes the Close frame, and has it taken.
func (o *output) close(c closure) error {
	o.mu.Lock()
	o.controls()
	o.ended = true
	var body []byte
	if c.code != 0 {
		body = ws.NewCloseFrameBody(c.code, c.reason)
	}
	o.control(ws.OpClose, body)
	o.mu.Unlock()
	return o.flush()
}

// flush has lower take what was made.
func (o *output) flush() error {
	for {
		o.mu.Lock()
		if o.sent == len(o.out) {
			if o.empty(); !o.controls() {
				o.mu.Unlock()
				return nil
			}
		}
		b := o.out[o.sent:]
		o.mu.Unlock()
		if o.bounded {
			b = b[:min(len(b), pieceSize)]
		}
		n, err := o.lower.Write(b)
		o.mu.Lock()
		o.sent += n
		o.late = errors.Is(err, os.ErrDeadlineExceeded)
		o.failed = err != nil
		o.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// empty gives the memory back. The caller holds mu.
func (o *output) empty() {
	o.out, o.sent = nil, 0
	if o.lent != nil {
		memory.Put(o.lent)
		o.lent = nil
	}
}

// drop forgets what was made and not taken.
func (o *output) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended, o.pings, o.pongs = true, false, nil
	o.empty()
}

// stuck reports whether a deadline had the last flush leave something behind.
func (o *output) stuck() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.late && len(o.out) > o.sent
}

// cut reports whether the last flush left something behind for whatever reason.
func (o *output) cut() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed && len(o.out) > o.sent
}
