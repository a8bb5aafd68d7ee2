package bench

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
)

// A counter counts what went one way over one flow, for whoever looks while
// it runs.
type counter struct{ bytes, messages atomic.Int64 }

func (c *counter) add(bytes, messages int) {
	c.bytes.Add(int64(bytes))
	c.messages.Add(int64(messages))
}

func (c *counter) traffic(d time.Duration) Traffic {
	return Traffic{c.bytes.Load(), c.messages.Load(), d}
}

// A sender sends the data of one flow, at either end of it.
type sender struct {
	socket *socket.Socket
	to     socket.Name // where no peer is connected
	ask    *greeting
	pace   pacer
	// onMeasured is called when the measured time begins after a warm-up, if
	// not nil.
	onMeasured func()

	stop     atomic.Bool // send no more
	counting atomic.Bool // the measured time has begun
	all      counter     // the warm-up too
	counted  counter     // in the measured time
	// The measured time, once run has returned.
	began, ended time.Time
	refused      int64 // messages that the system had no room for
}

// smallFrame is the least length of a stream's frame in bytes: shorter
// writes make one together.
const smallFrame = 4096

// frameLength returns how long a frame is for writes of that size, on a stream.
func frameLength(size int) int {
	return (smallFrame + size - 1) / size * size
}

// run sends until the greeting's duration or count is over, or stop is set. It
// does not send the end.
func (x *sender) run() error {
	defer x.pace.close()
	begin := time.Now()
	if x.ask.warmUp > 0 {
		defer time.AfterFunc(x.ask.warmUp, func() { x.counting.Store(true) }).Stop()
	} else {
		x.counting.Store(true)
	}
	if x.ask.duration > 0 {
		defer time.AfterFunc(x.ask.duration, func() { x.stop.Store(true) }).Stop()
	}
	x.began = begin
	defer func() { x.ended = time.Now() }()
	var err error
	switch {
	case !x.socket.Type().Bounded():
		err = x.stream(begin)
	case x.socket.Properties().Connected:
		err = x.messages(begin)
	default:
		err = x.batches(begin)
	}
	if errors.Is(err, syscall.EMSGSIZE) {
		err = fmt.Errorf("%w: %d bytes are more than it takes in one message: choose a smaller size", err, x.ask.size)
	}
	return err
}

// end says that the data is over: how many messages there were, and how many of
// them in the warm-up.
func (x *sender) end(s *socket.Socket) error {
	all := x.all.messages.Load()
	return writeFrame(s, endFrame, uint64(all), all-x.counted.messages.Load())
}

// over reports whether there is nothing more to send after n messages.
func (x *sender) over(n int64) bool {
	return x.stop.Load() || x.ask.count > 0 && n >= x.ask.count
}

// wait waits until message n is due, and reports whether it still is to be
// sent.
func (x *sender) wait(begin time.Time, n int64) bool {
	if x.ask.gap > 0 {
		x.pace.until(begin.Add(time.Duration(n)*x.ask.gap), &x.stop)
	}
	return !x.stop.Load()
}

// count notes what was sent; the first of the measured time begins it.
func (x *sender) count(flags uint8, bytes, messages int) {
	x.all.add(bytes, messages)
	if flags&measured != 0 {
		x.counted.add(bytes, messages)
	}
}

// flags are those of the next frame.
func (x *sender) flags(before uint8) uint8 {
	if !x.counting.Load() {
		return 0
	}
	if before == 0 && x.ask.warmUp > 0 {
		x.began = time.Now()
		if x.onMeasured != nil {
			x.onMeasured()
		}
	}
	return measured
}

// stream sends frames that are written in pieces of the size asked for.
func (x *sender) stream(begin time.Time) error {
	size := x.ask.size
	frame := make([]byte, frameLength(size))
	fill(frame[headerSize:], 0)
	h := header{kind: dataFrame, length: len(frame)}
	pieces := len(frame) / size
	for sent := int64(0); !x.over(sent); h.number++ {
		if !x.wait(begin, sent) {
			return nil
		}
		h.flags = x.flags(h.flags)
		h.put(frame)
		if x.ask.verify {
			fill(frame[headerSize:], h.number)
		}
		for rest := frame; len(rest) > 0; rest = rest[size:] {
			if len(rest) < len(frame) {
				x.wait(begin, sent)
			}
			if _, err := x.socket.Write(rest[:size]); err != nil {
				return err
			}
			sent++
		}
		x.count(h.flags, len(frame), pieces)
	}
	return nil
}

// messages sends one frame a message, over a connection.
func (x *sender) messages(begin time.Time) error {
	message := make([]byte, x.ask.size)
	fill(message[headerSize:], 0)
	h := header{kind: dataFrame, length: len(message)}
	for ; !x.over(int64(h.number)) && x.wait(begin, int64(h.number)); h.number++ {
		h.flags, h.stamp = x.flags(h.flags), int64(time.Since(begin))
		h.put(message)
		if x.ask.verify {
			fill(message[headerSize:], h.number)
		}
		if _, err := x.socket.Write(message); err != nil {
			return err
		}
		x.count(h.flags, len(message), 1)
	}
	return nil
}

// batches sends one frame a message, without a connection: many in one call.
func (x *sender) batches(begin time.Time) error {
	memory := make([]byte, x.ask.size*x.ask.batch)
	messages := make([]socket.Message, x.ask.batch)
	for i := range messages {
		data := memory[i*x.ask.size:][:x.ask.size]
		fill(data[headerSize:], 0)
		messages[i].SetData(data)
		messages[i].Peer = x.to
	}
	h := header{kind: dataFrame, length: x.ask.size}
	for !x.over(int64(h.number)) && x.wait(begin, int64(h.number)) {
		batch := messages
		if left := x.ask.count - int64(h.number); x.ask.count > 0 && left < int64(len(batch)) {
			batch = batch[:left]
		}
		h.flags, h.stamp = x.flags(h.flags), int64(time.Since(begin))
		for i := range batch {
			data := batch[i].Buffers[0]
			h.put(data)
			if x.ask.verify {
				fill(data[headerSize:], h.number)
			}
			h.number++
		}
		if err := x.sendAll(batch); err != nil {
			return err
		}
		x.count(h.flags, len(batch)*x.ask.size, len(batch))
	}
	return nil
}

// deafPatience is how long one write to a peer that does not read may keep
// others from the socket.
const deafPatience = 100 * time.Millisecond

// sendAll sends a batch. Messages for which the system has no room are lost,
// as those that a network drops: they have a number, and the receiver misses
// them.
func (x *sender) sendAll(batch []socket.Message) error {
	for len(batch) > 0 {
		n, err := x.socket.SendBatch(batch)
		batch = batch[n:]
		switch {
		case err == nil:
		case errors.Is(err, syscall.ENOBUFS) && len(batch) > 0:
			x.refused++
			batch = batch[1:]
		case errors.Is(err, os.ErrDeadlineExceeded) && !x.stop.Load():
			// The server's socket serves other peers too, and waits for none
			// of them longer than this.
			x.socket.SetWriteDeadline(time.Now().Add(deafPatience))
		default:
			return err
		}
	}
	return nil
}
