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
// to a capture. Closing it closes l, and leaves the capture open for others.
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
	err := l.Link.WriteFrame(to, packet)
	if err == nil {
		l.c.packet(to, l.Host(), packet)
	}
	return err
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
	section := le.AppendUint32(nil, 0x1a2b3c4d)                      // byte order
	section = le.AppendUint16(le.AppendUint16(section, 1), 0)        // version 1.0
	section = le.AppendUint64(section, ^uint64(0))                   // of unknown length
	ifc := le.AppendUint32(le.AppendUint16([]byte{1, 0}, 0), 64<<10) // link type Ethernet, longest frame
	ifc = append(ifc, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0)            // option if_tsresol: nanoseconds
	c.write(pcapSection, section)
	c.write(pcapInterface, ifc)
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
func (c *Capture) Frame(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	le := binary.LittleEndian
	now := uint64(time.Now().UnixNano())
	body := make([]byte, 0, 64+len(frame))
	for _, v := range [...]uint32{0, uint32(now >> 32), uint32(now), uint32(len(frame)), uint32(len(frame))} {
		body = le.AppendUint32(body, v)
	}
	body = append(body, frame...)
	c.write(pcapPacket, body)
}

func (c *Capture) packet(to, from HostID, packet []byte) {
	var frame [ethernetHeader + MaxPacket + 36]byte
	n := max(putEthernet(frame[:], to, from, packet), 60)
	c.Frame(frame[:n])
}

// write writes a block, padded to 4 octets, between its two lengths.
func (c *Capture) write(kind uint32, body []byte) {
	if c.err != nil {
		return
	}
	le := binary.LittleEndian
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n := uint32(12 + len(body))
	c.block = le.AppendUint32(le.AppendUint32(c.block[:0], kind), n)
	c.block = le.AppendUint32(append(c.block, body...), n)
	_, c.err = c.w.Write(c.block)
}
