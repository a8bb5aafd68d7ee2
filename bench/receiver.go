package bench

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"zocalo/socket"
)

// A receiver takes the frames of one flow, at either end of it. What it
// counts is for whoever looks while it runs; all else is its own reader's
// until the data is over.
type receiver struct {
	size    int
	verify  bool
	tracker *tracker // of a kind with message boundaries
	lossy   bool     // there is no connection: the end may overtake data
	// control is called for each frame that is no data.
	control func(h *header, payload []byte) error
	most    int64 // bits per second that are read of a stream; 0 is no bound
	// onMeasured is called when the measured time begins, if not nil.
	onMeasured func()

	all, counted counter
	first, last  time.Time // of the measured time
	begin        time.Time // of all that arrives, for the transit times
	next         uint64    // number of the next frame, on a stream
	done         bool      // the end came
	announced    int64     // messages that the end says there were
	warmUp       int64     // messages of them in the warm-up, 0 where no end said it
	corrupt      int64

	// A stream's frame, as far as it came.
	head     [headerSize]byte
	have     int // bytes of head
	frame    header
	left     int    // bytes of the frame that are still to come
	payload  []byte // of a report
	expected []byte // what is still to come of a frame whose content is checked
	memory   []byte // of expected
	bad      bool   // the frame's content was not as expected
}

func newReceiver(ask *greeting, kind socket.Properties) *receiver {
	r := &receiver{size: ask.size, verify: ask.verify, lossy: kind.Bounded && !kind.Connected, begin: time.Now()}
	if kind.Bounded && ask.service == framed {
		r.tracker = newTracker()
	}
	return r
}

// stream takes the next bytes of a stream.
func (r *receiver) stream(b []byte) error {
	for len(b) > 0 {
		if r.left == 0 {
			n := copy(r.head[r.have:], b)
			r.have += n
			b = b[n:]
			if r.have < headerSize {
				return nil
			}
			r.have = 0
			if err := r.frame.parse(r.head[:]); err != nil {
				return err
			}
			if err := r.open(); err != nil {
				return err
			}
		} else {
			n := min(r.left, len(b))
			r.take(b[:n])
			b = b[n:]
		}
		if r.left == 0 {
			if err := r.complete(); err != nil {
				return err
			}
		}
	}
	return nil
}

// open begins a frame of a stream.
func (r *receiver) open() error {
	r.left = r.frame.length - headerSize
	r.payload, r.expected, r.bad = r.payload[:0], nil, false
	if r.frame.kind != dataFrame {
		return nil
	}
	if r.done {
		return errors.New("data after its end")
	}
	if r.frame.number != r.next {
		return fmt.Errorf("frame %d came where %d was expected", r.frame.number, r.next)
	}
	r.next++
	if r.frame.flags&measured != 0 && r.first.IsZero() {
		r.measure(time.Now())
	}
	if r.verify {
		if cap(r.memory) < r.left {
			r.memory = make([]byte, r.left)
		}
		r.expected = r.memory[:r.left]
		fill(r.expected, r.frame.number)
	}
	return nil
}

// measure begins the measured time.
func (r *receiver) measure(at time.Time) {
	r.first = at
	if r.onMeasured != nil {
		r.onMeasured()
	}
}

// take takes the next bytes of a frame's content.
func (r *receiver) take(b []byte) {
	r.left -= len(b)
	switch {
	case r.frame.kind == reportFrame:
		r.payload = append(r.payload, b...)
	case r.expected != nil:
		if !bytes.Equal(b, r.expected[:len(b)]) {
			r.bad = true
		}
		r.expected = r.expected[len(b):]
	}
}

// complete ends a frame of a stream.
func (r *receiver) complete() error {
	h := &r.frame
	if h.kind != dataFrame {
		return r.controlled(h, r.payload)
	}
	if r.bad {
		r.corrupt++
	}
	messages := h.length / r.size
	r.all.add(h.length, messages)
	if h.flags&measured != 0 {
		r.counted.add(h.length, messages)
	}
	return nil
}

// message takes a message, which is a frame.
func (r *receiver) message(b []byte, at time.Time) error {
	if len(b) < headerSize {
		return fmt.Errorf("a message of %d bytes", len(b))
	}
	h := &r.frame // not on the stack, from where control would move it for every message
	if err := h.parse(b); err != nil {
		return err
	}
	if h.kind != dataFrame {
		if h.length != len(b) {
			return fmt.Errorf("a message of %d bytes that says it has %d", len(b), h.length)
		}
		return r.controlled(h, b[headerSize:])
	}
	if r.done {
		return nil // late, or repeated: too late to count
	}
	if h.length != len(b) || r.verify && !r.intact(h, b[headerSize:]) {
		r.corrupt++
	}
	r.all.add(len(b), 1)
	if h.flags&measured != 0 {
		if r.first.IsZero() {
			r.measure(at)
		}
		r.last = at
		r.counted.add(len(b), 1)
		r.tracker.arrived(h.number, at.Sub(r.begin), time.Duration(h.stamp))
	} else {
		r.tracker.warmUp(h.number)
	}
	return nil
}

// intact reports whether a message holds what its number says.
func (r *receiver) intact(h *header, content []byte) bool {
	if cap(r.memory) < len(content) {
		r.memory = make([]byte, len(content))
	}
	expected := r.memory[:len(content)]
	fill(expected, h.number)
	return bytes.Equal(content, expected)
}

// controlled passes on a frame that is no data.
func (r *receiver) controlled(h *header, payload []byte) error {
	if h.kind == padFrame {
		return nil
	}
	if h.kind == endFrame {
		r.announced, r.warmUp = int64(h.number), h.stamp
		if !r.lossy {
			r.over()
		}
	}
	return r.control(h, payload)
}

// over ends the measured time, if it did not end with the last message.
func (r *receiver) over() {
	if !r.done {
		r.done = true
		if r.tracker == nil {
			r.last = time.Now()
		}
	}
}

// elapsed is the measured time of a receiver that is done.
func (r *receiver) elapsed() time.Duration {
	if r.first.IsZero() {
		return 0
	}
	return r.last.Sub(r.first)
}

// readBuffer is how many bytes of a stream are read at once.
const readBuffer = 256 << 10

// read takes all that comes over a connection, until it fails or ends.
func (r *receiver) read(c *socket.Socket) error {
	bounded := c.Type().Bounded()
	size := readBuffer
	if bounded {
		size = max(r.size, headerSize+reportPart) + 1
	}
	b := make([]byte, size)
	began, bytes := time.Now(), int64(0)
	for {
		n, err := c.Read(b)
		if bytes += int64(n); r.most > 0 { // the sender waits as well
			time.Sleep(time.Until(began.Add(time.Duration(float64(bytes) * 8 / float64(r.most) * float64(time.Second)))))
		}
		if n > 0 {
			var wrong error
			if bounded {
				wrong = r.message(b[:n], time.Now())
			} else {
				wrong = r.stream(b[:n])
			}
			if wrong != nil {
				return wrong
			}
		}
		if err != nil {
			return err
		}
	}
}
