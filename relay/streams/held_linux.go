package streams

import (
	"zocalo/internal/poll"
	"zocalo/internal/sys"
)

// held is what was read from a side and is not written yet: bytes in a pipe,
// or in memory.
type held struct {
	pipe  poll.Pipe
	piped int // bytes in the pipe

	rest   []byte // of memory
	memory []byte // poll.ScratchSize bytes, once it was needed
	urgent bool   // rest is an urgent byte
	files  []int  // descriptors that go with the first byte of rest
}

// maxSpare is how many held a worker keeps for use again.
const maxSpare = 4

// hold keeps bytes, which may be in the scratch buffer.
func (w *worker) hold(b []byte, urgent bool, files []int) *held {
	h := w.takeHeld()
	if h.memory == nil {
		h.memory = make([]byte, poll.ScratchSize)
	}
	h.rest = h.memory[:copy(h.memory, b)]
	h.urgent, h.files = urgent, files
	return h
}

// holdPipe keeps what is in a pipe.
func (w *worker) holdPipe(p poll.Pipe, n int) *held {
	h := w.takeHeld()
	h.pipe, h.piped = p, n
	return h
}

func (w *worker) takeHeld() *held {
	if n := len(w.spareHeld); n > 0 {
		h := w.spareHeld[n-1]
		w.spareHeld = w.spareHeld[:n-1]
		return h
	}
	return new(held)
}

// release gives back what the side holds, be it written or not.
func (s *side) release() {
	h := s.held
	if h == nil {
		return
	}
	s.held = nil
	switch {
	case h.pipe == poll.Pipe{}:
	case h.piped == 0:
		h.pipe.Give()
	default:
		h.pipe.Close()
	}
	closeAll(h.files)
	h.pipe, h.piped, h.rest, h.urgent, h.files = poll.Pipe{}, 0, nil, false, nil
	if w := s.conn.w; len(w.spareHeld) < maxSpare {
		w.spareHeld = append(w.spareHeld, h)
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		sys.Close(fd)
	}
}
