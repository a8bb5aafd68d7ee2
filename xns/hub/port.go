package hub

import (
	"io"
	"log/slog"
	"sync/atomic"
)

// writeAtOnce is how many octets of frames are put together for one write.
const writeAtOnce = 16 << 10

// A port is what frames come from and go to.
type port struct {
	name      string
	ethernet  bool // a bridge
	queue     chan *frame
	interrupt func() // ends the reader
	framing   atomic.Uint32
	slow      atomic.Bool // frames were lost since the queue was empty

	framesIn, octetsIn, framesOut, octetsOut, lost, refused, looped atomic.Int64
}

func (h *Hub) newPort(name string) *port {
	n := h.Queue
	if n <= 0 {
		n = DefaultQueue
	}
	return &port{name: name, queue: make(chan *frame, min(n, MaxQueue))}
}

// Counts are what passed. A frame has no more octets than Ethernet's, without
// the length before it.
type Counts struct {
	FramesIn  int64 `json:"frames_in"` // taken from the port
	OctetsIn  int64 `json:"octets_in"`
	FramesOut int64 `json:"frames_out"` // sent to it
	OctetsOut int64 `json:"octets_out"`
	Lost      int64 `json:"lost"`    // not sent to it: it was slow
	Refused   int64 `json:"refused"` // from it, too short, too long or from a group; to it, longer than a NetHub's client takes
	Looped    int64 `json:"looped"`  // from it, and not bridged: the sender is on the other side
}

func (c *Counts) add(d Counts) {
	c.FramesIn += d.FramesIn
	c.OctetsIn += d.OctetsIn
	c.FramesOut += d.FramesOut
	c.OctetsOut += d.OctetsOut
	c.Lost += d.Lost
	c.Refused += d.Refused
	c.Looped += d.Looped
}

// LogValue makes them a group of a log.
func (c Counts) LogValue() slog.Value {
	return slog.GroupValue(slog.Int64("frames_in", c.FramesIn), slog.Int64("octets_in", c.OctetsIn),
		slog.Int64("frames_out", c.FramesOut), slog.Int64("octets_out", c.OctetsOut),
		slog.Int64("lost", c.Lost), slog.Int64("refused", c.Refused), slog.Int64("looped", c.Looped))
}

func (p *port) counts() Counts {
	return Counts{p.framesIn.Load(), p.octetsIn.Load(), p.framesOut.Load(), p.octetsOut.Load(), p.lost.Load(), p.refused.Load(), p.looped.Load()}
}

func (p *port) took(f *frame) {
	p.framesIn.Add(1)
	p.octetsIn.Add(int64(f.n))
}

func (p *port) sent(f *frame) {
	p.framesOut.Add(1)
	p.octetsOut.Add(int64(f.n))
}

// queueFrame puts a frame into the queue, and reports whether there was room.
func (p *port) queueFrame(f *frame) bool {
	f.refs.Add(1)
	select {
	case p.queue <- f:
		return true
	default:
		f.release()
		p.lost.Add(1)
		return false
	}
}

// writeTo writes frames to a client until the queue ends. After an error it
// goes on to empty the queue, so that frames return to where they come from.
// Frames that wait together leave in one write, and none in parts of its own:
// some clients take it amiss.
func (p *port) writeTo(w io.Writer) (err error) {
	var batch []byte
	for f := range p.queue {
		batch = batch[:0]
		for more := true; more; {
			batch = p.append(batch, f)
			f.release()
			more = len(batch) < writeAtOnce
			if more {
				select {
				case f, more = <-p.queue:
				default:
					more = false
					p.slow.Store(false)
				}
			}
		}
		if err == nil && len(batch) > 0 {
			_, err = w.Write(batch)
		}
	}
	return err
}

// append appends a frame as the client has it.
func (p *port) append(batch []byte, f *frame) []byte {
	framing := Framing(p.framing.Load())
	if framing != QEMU && f.n > MaxFrame {
		p.refused.Add(1)
		return batch
	}
	p.sent(f)
	return framing.Append(batch, f.bytes())
}
