package iperf3

import (
	"encoding/binary"
	"errors"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// The most that is given to the system at once, or taken from it.
const (
	mostBatch      = 32
	mostBatchBytes = 128 << 10
)

func (t *Test) batch() int { return max(1, min(mostBatch, mostBatchBytes/t.Size)) }

// messages returns a batch with memory of its own.
func (t *Test) messages() []socket.Message {
	ms := make([]socket.Message, t.batch())
	memory := content(len(ms) * t.Size)
	for i := range ms {
		ms[i].SetData(memory[i*t.Size : (i+1)*t.Size : (i+1)*t.Size])
	}
	return ms
}

// seal writes a datagram's header.
func (t *Test) seal(b []byte, now time.Time, number int64) {
	binary.BigEndian.PutUint32(b, uint32(now.Unix()))
	binary.BigEndian.PutUint32(b[4:], uint32(now.Nanosecond()/1000))
	if t.Counters64 {
		binary.BigEndian.PutUint64(b[8:], uint64(number))
	} else {
		binary.BigEndian.PutUint32(b[8:], uint32(number))
	}
}

// open reads it. The time is that of the sender's clock, whatever that counts
// from.
func (t *Test) open(b []byte) (sent time.Duration, number int64, ok bool) {
	size := 12
	if t.Counters64 {
		size = 16
	}
	if len(b) < size {
		return 0, 0, false
	}
	sent = time.Duration(binary.BigEndian.Uint32(b))*time.Second + time.Duration(binary.BigEndian.Uint32(b[4:]))*time.Microsecond
	if t.Counters64 {
		n := binary.BigEndian.Uint64(b[8:])
		return sent, int64(n), n > 0 && n < 1<<62
	}
	n := binary.BigEndian.Uint32(b[8:])
	return sent, int64(n), n > 0
}

// faultPause is how long a flow of datagrams rests after an error that may
// pass, such as the one by which a host says that there is no listener.
const faultPause = time.Millisecond

func passing(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOBUFS)
}

// rest waits after an error that may pass, and reports whether to go on.
func (r *run) rest() bool {
	select {
	case <-time.After(faultPause):
		return true
	case <-r.stop:
		return false
	}
}

func (r *run) sendDatagrams(f *flow, p *pace) error {
	t := r.test
	ms := t.messages()
	for !r.stopped() {
		n := p.wait(t.Size, len(ms), r.stop)
		n, last := r.allowance(n, t.Size)
		if n == 0 {
			return nil
		}
		now, first := time.Now(), f.packets.Load()+1
		for i := range ms[:n] {
			t.seal(ms[i].Buffers[0], now, first+int64(i))
		}
		// A datagram has a header, so none is shorter than that.
		final := ms[n-1].Buffers[0]
		ms[n-1].Buffers[0] = final[:max(last, leastDatagram)]
		sent, err := r.sendAll(f, ms[:n])
		bytes := int64(sent) * int64(t.Size)
		if sent == n {
			bytes += int64(len(ms[n-1].Buffers[0]) - t.Size)
		}
		ms[n-1].Buffers[0] = final
		p.sent += bytes
		f.mu.Lock()
		f.bytes.Add(bytes)
		f.packets.Add(int64(sent))
		f.mu.Unlock()
		if err != nil {
			return r.unlessStopped(err)
		}
	}
	return nil
}

// sendAll sends the datagrams, past errors that pass, and returns how many
// left.
func (r *run) sendAll(f *flow, ms []socket.Message) (sent int, err error) {
	for sent < len(ms) {
		n, err := f.s.SendBatch(ms[sent:])
		sent += n
		switch {
		case err == nil:
		case !passing(err):
			return sent, err
		case !r.rest():
			return sent, nil
		}
	}
	return sent, nil
}

func (r *run) takeDatagrams(f *flow) error {
	t := r.test
	ms := t.messages()
	stamped := option.Timestamps.Set(f.s, true) == nil
	for {
		n, err := f.s.ReceiveBatch(ms)
		now := time.Now()
		bytes := 0
		f.mu.Lock()
		before := f.arrived.greatest
		for i := range ms[:n] {
			m := &ms[i]
			at := now
			if stamped && m.Ancillary.Present&socket.HasTime != 0 {
				at = m.Ancillary.Time
			}
			sent, number, ok := t.open(m.Buffers[0][:m.N])
			if !ok {
				continue // the client's knock, perhaps once more
			}
			if f.arrived.add(number, time.Duration(at.UnixNano())-sent) {
				bytes += m.Size
				f.packets.Add(1)
			}
			f.at = now
		}
		r.count(f, bytes, (f.arrived.greatest-before)*int64(t.Size))
		f.mu.Unlock()
		switch {
		case err == nil || errors.Is(err, socket.ErrTruncated):
		case !passing(err):
			return r.unlessStopped(err)
		case !r.rest():
			return nil
		}
	}
}
