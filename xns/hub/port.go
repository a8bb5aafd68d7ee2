package hub

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
)

// writeAtOnce is how many bytes of frames are put together for one write.
const writeAtOnce = 16 << 10

// A port is what frames come from and go to.
type port struct {
	name      string
	ethernet  bool // a bridge
	queue     chan *frame
	share     share
	interrupt func() // ends the reader
	framing   atomic.Uint32
	slow      atomic.Bool // frames were lost since the queue was empty

	framesIn, bytesIn, framesOut, bytesOut, lost, refused, looped atomic.Int64
}

func (h *Hub) newPort(name string) *port {
	n := h.Queue
	if n <= 0 {
		n = DefaultQueue
	}
	n = min(n, MaxQueue)
	return &port{name: name, queue: make(chan *frame, min(mostShares*n, MaxQueue)), share: share{most: n, waiting: map[*port]int{}}}
}

// mostShares is how many times as many frames as one sender's may wait in all.
const mostShares = 4

// A share divides the room in a port's queue among those whose frames wait
// there, so that one that floods costs itself frames and not the others.
type share struct {
	most int // of one sender

	mu      sync.Mutex
	waiting map[*port]int // frames, by their senders
}

// enter counts a frame that is to wait, unless its sender has as many there as is
// its part.
func (s *share) enter(from *port, room int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.waiting[from]
	senders := len(s.waiting)
	if n == 0 {
		senders++
	}
	if n >= max(1, min(s.most, room/senders)) {
		return false
	}
	s.waiting[from] = n + 1
	return true
}

// leave counts a frame that waits no more.
func (s *share) leave(from *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[from]--; s.waiting[from] == 0 {
		delete(s.waiting, from)
	}
}

// Counts are what passed. A frame has no more bytes than Ethernet's, without
// the length before it.
type Counts struct {
	FramesIn  int64 `json:"frames_in"` // taken from the port
	BytesIn   int64 `json:"bytes_in"`
	FramesOut int64 `json:"frames_out"` // sent to it
	BytesOut  int64 `json:"bytes_out"`
	Lost      int64 `json:"lost"`    // not sent to it: it was slow
	Refused   int64 `json:"refused"` // from it, too short, too long or from a group; to it, longer than a NetHub's client takes
	Looped    int64 `json:"looped"`  // from it, and not bridged: the sender is on the other side
}

func (c *Counts) add(d Counts) {
	c.FramesIn += d.FramesIn
	c.BytesIn += d.BytesIn
	c.FramesOut += d.FramesOut
	c.BytesOut += d.BytesOut
	c.Lost += d.Lost
	c.Refused += d.Refused
	c.Looped += d.Looped
}

// LogValue makes them a group of a log.
func (c Counts) LogValue() slog.Value {
	return slog.GroupValue(slog.Int64("frames_in", c.FramesIn), slog.Int64("bytes_in", c.BytesIn),
		slog.Int64("frames_out", c.FramesOut), slog.Int64("bytes_out", c.BytesOut),
		slog.Int64("lost", c.Lost), slog.Int64("refused", c.Refused), slog.Int64("looped", c.Looped))
}

func (p *port) counts() Counts {
	return Counts{p.framesIn.Load(), p.bytesIn.Load(), p.framesOut.Load(), p.bytesOut.Load(), p.lost.Load(), p.refused.Load(), p.looped.Load()}
}

func (p *port) took(f *frame) {
	p.framesIn.Add(1)
	p.bytesIn.Add(int64(f.n))
}

func (p *port) sent(f *frame) {
	p.framesOut.Add(1)
	p.bytesOut.Add(int64(f.n))
}

// queueFrame puts a frame into the queue, and reports whether there was room.
func (p *port) queueFrame(f *frame) bool {
	if p.share.enter(f.source, cap(p.queue)) {
		f.refs.Add(1)
		select {
		case p.queue <- f:
			return true
		default:
			p.done(f)
		}
	}
	p.lost.Add(1)
	return false
}

// done lets go of a frame of the queue.
func (p *port) done(f *frame) {
	p.share.leave(f.source)
	f.release()
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
			p.done(f)
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
