package hub

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// A frame is on its way to several ports, each of which releases it once.
type frame struct {
	refs   atomic.Int32
	source *port     // where it came from
	at     time.Time // when it came
	n      int
	data   [Longest + 2]byte
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// newFrame returns an empty frame, which its maker has to release too.
func newFrame() *frame {
	f := frames.Get().(*frame)
	f.refs.Store(1)
	return f
}

func (f *frame) release() {
	if f.refs.Add(-1) == 0 {
		frames.Put(f)
	}
}

func (f *frame) bytes() []byte { return f.data[:f.n] }

// well reports whether it is a frame that a station may send.
func (f *frame) well() bool { return f.n >= header && f.data[6]&1 == 0 }

// from returns the hardware address of the sender.
func (f *frame) from() [6]byte { return [6]byte(f.data[6:12]) }

func (f *frame) etherType() uint16 { return binary.BigEndian.Uint16(f.data[12:]) }
