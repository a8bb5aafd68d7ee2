package xns

import (
	"encoding/binary"
	"io"
	"sync"
	"time"
)

// recorded is a link that writes down what passes.
type recorded struct {
	Link
	c *Capture
}

// Record returns a link that is l and writes its packets, in both directions,
// to a capture: those that leave as they are handed to l, which may still refuse
// them. Closing it closes l, and leaves the capture open for others.
func Record(l Link, c *Capture) Link { return &recorded{l, c} }

func (l *recorded) ReadFrame(b []byte) (int, error) {
	n, err := l.Link.ReadFrame(b)
	if err == nil {
		var h Header
		if h.parse(b[:n]) != nil {
			h.To.Host, h.From.Host = l.Host(), HostID{}
		}
		l.c.packet(h.To.Host, h.From.Host, b[:n])
	}
	return n, err
}

func (l *recorded) WriteFrame(to HostID, packet []byte) error {
	l.c.packet(to, l.Host(), packet) // before it leaves, or its answer could come first in the capture
	return l.Link.WriteFrame(to, packet)
}

// A Capture is a file of frames in the pcapng format
// (draft-ietf-opsawg-pcapng), which Wireshark reads. Its methods may be called
// from several goroutines at once.
type Capture struct {
	mu    sync.Mutex
	w     io.Writer
	block []byte
	err   error
}

// The types of pcapng's blocks.
const (
	pcapSection   = 0x0a0d0d0a
	pcapInterface = 1
	pcapPacket    = 6
)

// NewCapture begins a capture of Ethernet frames in w.
func NewCapture(w io.Writer) (*Capture, error) {
	c := &Capture{w: w}
	le := binary.LittleEndian
	c.begin(pcapSection)
	c.block = le.AppendUint32(c.block, 0x1a2b3c4d)            // byte order
	c.block = le.AppendUint16(le.AppendUint16(c.block, 1), 0) // version 1.0
	c.block = le.AppendUint64(c.block, ^uint64(0))            // of unknown length
	c.end()
	c.begin(pcapInterface)
	c.block = le.AppendUint32(append(c.block, 1, 0, 0, 0), 64<<10) // link type Ethernet, longest frame
	c.block = append(c.block, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0)  // option if_tsresol: nanoseconds
	c.end()
	return c, c.err
}

// Err returns the first error of the writer; after it nothing more is
// recorded.
func (c *Capture) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Frame records an Ethernet frame, with the time now.
func (c *Capture) Frame(frame []byte) { c.FrameAt(time.Now(), frame) }

// FrameAt records an Ethernet frame that passed at that time. The error is the
// one of Err.
func (c *Capture) FrameAt(at time.Time, frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, size := uint64(at.UnixNano()), uint32(len(frame))
	c.begin(pcapPacket)
	for _, v := range [...]uint32{0, uint32(now >> 32), uint32(now), size, size} {
		c.block = binary.LittleEndian.AppendUint32(c.block, v)
	}
	c.block = append(c.block, frame...)
	c.end()
	return c.err
}

func (c *Capture) packet(to, from HostID, packet []byte) {
	var frame [ethernetHeader + MaxPacket + 36]byte
	n := max(putEthernet(frame[:], to, from, packet), 60)
	c.Frame(frame[:n])
}

// begin begins a block, in memory that the next one uses again. The caller
// holds mu.
func (c *Capture) begin(kind uint32) {
	c.block = append(binary.LittleEndian.AppendUint32(c.block[:0], kind), 0, 0, 0, 0)
}

// end pads the block to 4 bytes, puts it between its two lengths, and writes
// it. The caller holds mu.
func (c *Capture) end() {
	if c.err != nil {
		return
	}
	for len(c.block)%4 != 0 {
		c.block = append(c.block, 0)
	}
	n := uint32(len(c.block) + 4)
	binary.LittleEndian.PutUint32(c.block[4:], n)
	c.block = binary.LittleEndian.AppendUint32(c.block, n)
	_, c.err = c.w.Write(c.block)
}
