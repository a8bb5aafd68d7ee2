package xns

import (
	"io"
	"sync"
	"time"

	"zocalo/internal/pcapng"
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
	mu sync.Mutex
	w  *pcapng.Writer
}

// NewCapture begins a capture of Ethernet frames in w.
func NewCapture(w io.Writer) (*Capture, error) {
	f, err := pcapng.NewWriter(w, pcapng.Section{Application: "zocalo"})
	if err == nil {
		_, err = f.Interface(pcapng.Interface{LinkType: pcapng.LinkEthernet, SnapLen: 64 << 10})
	}
	return &Capture{w: f}, err
}

// Err returns the first error of the writer; after it nothing more is
// recorded.
func (c *Capture) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.w.Err()
}

// Frame records an Ethernet frame, with the time now.
func (c *Capture) Frame(frame []byte) { c.FrameAt(time.Now(), frame) }

// FrameAt records an Ethernet frame that passed at that time. The error is the
// one of Err.
func (c *Capture) FrameAt(at time.Time, frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.w.Packet(&pcapng.Packet{Time: at, Data: frame})
}

func (c *Capture) packet(to, from HostID, packet []byte) {
	var frame [ethernetHeader + MaxPacket + 36]byte
	n := max(putEthernet(frame[:], to, from, packet), 60)
	c.Frame(frame[:n])
}
