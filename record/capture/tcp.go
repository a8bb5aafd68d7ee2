package capture

import (
	"encoding/binary"
	"slices"
	"time"
)

// The flags of TCP (RFC 9293, section 3.1).
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
	tcpURG
)

// A segment is one of TCP.
type segment struct {
	seq, ack uint32
	flags    byte
	urgent   int // how many of data's bytes up to and with the urgent one; 0 for none
	data     []byte
	lacks    int  // bytes of it that were not kept
	empty    bool // it stands for an empty message
}

// parseTCP reads a segment and its ports.
func parseTCP(d datagram) (from, to uint16, s segment, ok bool) {
	b := d.data
	if len(b) < 20 {
		return 0, 0, s, false
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > d.length {
		return 0, 0, s, false
	}
	s.seq, s.ack, s.flags = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), b[13]
	s.data = b[min(header, len(b)):]
	s.lacks = d.length - max(header, len(b))
	if s.flags&tcpURG != 0 {
		s.urgent = int(binary.BigEndian.Uint16(b[18:]))
	}
	return binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), s, true
}

// The bounds of what waits for segments that came late, or that the file lacks.
const (
	maxAhead      = 4096
	maxAheadBytes = 4 << 20
)

// A half is one direction of a TCP connection. Positions are counted from the first byte
// of its stream, so that they do not wrap.
type half struct {
	known bool   // where it begins
	zero  uint32 // the sequence number of the first byte
	isn   bool   // its SYN was seen

	next   int64 // what is due
	ahead  []early
	bytes  int   // in ahead
	fin    int64 // where the stream ends; -1 where that is not known
	finAt  time.Duration
	acked  int64 // up to where the other side has it
	ended  bool
	last   time.Duration
	urgent int64 // the position of the urgent byte that came last; -1 for none
}

// early is a piece that came ahead of others.
type early struct {
	pos    int64
	data   []byte
	at     time.Duration
	urgent int64
	push   bool
}

// position of a sequence number, near to what is due.
func (h *half) position(seq uint32) int64 {
	return h.next + int64(int32(seq-(h.zero+uint32(h.next))))
}

// begin says where the stream begins.
func (h *half) begin(zero uint32) {
	*h = half{known: true, zero: zero, fin: -1, urgent: -1}
}

// A tcp is a TCP connection that is being put together.
type tcp struct {
	flow
	halves   [2]half
	reset    bool
	messages *messenger // nil for a stream
}

// over reports whether nothing can come any more.
func (t *tcp) over() bool { return t.reset || t.halves[Client].ended && t.halves[Server].ended }

// another reports whether a segment begins another connection between the same two.
func (t *tcp) another(from Side, s *segment) bool {
	h := &t.halves[from]
	switch {
	case s.flags&(tcpSYN|tcpACK) != tcpSYN:
		return false
	case h.isn && h.zero == s.seq+1: // it was sent again
		return false
	case !h.isn && h.known && h.zero == s.seq+1: // its answer was seen first
		return false
	}
	return true
}

// add takes the next segment that the file has of a side.
func (t *tcp) add(from Side, s *segment, at time.Duration) {
	h, other := &t.halves[from], &t.halves[from.Other()]
	if s.flags&tcpSYN != 0 {
		if !h.known || !h.isn && h.next == 0 {
			acked := h.acked
			h.begin(s.seq + 1)
			h.acked = acked
		}
		h.isn = true
		s.seq++ // it counts as a byte, which what comes with it follows
		t.c.Opened = true
		if s.flags&tcpACK != 0 {
			t.c.Stood = true
		}
	}
	if !h.known && (len(s.data) > 0 || s.lacks > 0 || s.flags&tcpFIN != 0) {
		h.begin(s.seq)
	}
	if s.flags&tcpACK != 0 {
		if !other.known {
			other.begin(s.ack)
		}
		other.acked = max(other.acked, other.position(s.ack))
	}
	if t.over() {
		return
	}
	if len(s.data) > 0 || s.lacks > 0 {
		t.c.Stood = true
		t.data(from, s, at)
	}
	if s.empty && h.position(s.seq) == h.next { // behind what is lacking it is as if it were lacking too
		h.last = max(h.last, at)
		t.message(from)
	}
	if s.flags&tcpFIN != 0 && h.fin < 0 {
		h.fin = h.position(s.seq) + int64(len(s.data)+s.lacks)
		h.finAt = at
	}
	t.finish(from)
	if s.flags&tcpRST != 0 {
		t.c.Aborted, t.reset = true, true
		t.drainAll()
		t.event(from, Event{At: max(at, h.last), What: Reset})
	}
}

// finish tells of the end of a side's stream once all before it is there.
func (t *tcp) finish(from Side) {
	h := &t.halves[from]
	if h.known && h.fin >= 0 && h.next >= h.fin && !h.ended {
		h.last = max(h.last, h.finAt)
		h.ended, t.c.Closed[from] = true, true
		t.event(from, Event{At: h.last, What: End})
	}
}

func (t *tcp) data(from Side, s *segment, at time.Duration) {
	h := &t.halves[from]
	e := early{pos: h.position(s.seq), data: s.data, at: at, urgent: -1, push: s.flags&tcpPSH != 0 && s.lacks == 0}
	if s.urgent > 0 {
		e.urgent = e.pos + int64(s.urgent) - 1
	}
	end := e.pos + int64(len(e.data))
	switch {
	case end <= h.next && s.lacks == 0:
		t.c.Retransmitted++
		return
	case e.pos <= h.next:
		t.deliver(from, e)
		t.drain(from)
		return
	}
	t.c.OutOfOrder++
	i, same := slices.BinarySearchFunc(h.ahead, e.pos, func(x early, pos int64) int {
		switch {
		case x.pos < pos:
			return -1
		case x.pos > pos:
			return 1
		}
		return 0
	})
	if same && len(h.ahead[i].data) >= len(e.data) {
		t.c.OutOfOrder--
		t.c.Retransmitted++
		return
	}
	e.data = slices.Clone(e.data)
	h.ahead = slices.Insert(h.ahead, i, e)
	h.bytes += len(e.data)
	for len(h.ahead) > maxAhead || h.bytes > maxAheadBytes {
		t.skip(from, h.ahead[0].pos)
		t.drain(from)
	}
}

// drain delivers what waited and is due.
func (t *tcp) drain(from Side) {
	h := &t.halves[from]
	n := 0
	for ; n < len(h.ahead) && h.ahead[n].pos <= h.next; n++ {
		h.bytes -= len(h.ahead[n].data)
		t.deliver(from, h.ahead[n])
	}
	h.ahead = slices.Delete(h.ahead, 0, n)
}

// drainAll delivers all that waits, and says what is lacking between.
func (t *tcp) drainAll() {
	for _, from := range [...]Side{Client, Server} {
		h := &t.halves[from]
		for len(h.ahead) > 0 {
			t.skip(from, h.ahead[0].pos)
			t.drain(from)
		}
		if h.known {
			t.skip(from, max(h.fin, h.lackedAtTheEnd()))
		}
		t.finish(from)
	}
}

// lackedAtTheEnd is up to where the other side has the stream, though the file does not.
func (h *half) lackedAtTheEnd() int64 {
	if h.fin >= 0 || h.acked == h.next+1 { // an end counts as a byte, be it in the file or not
		return 0
	}
	return h.acked
}

// skip passes over what the file lacks.
func (t *tcp) skip(from Side, to int64) {
	h := &t.halves[from]
	if to <= h.next {
		return
	}
	t.c.Missing += to - h.next
	if t.messages != nil {
		t.messages.lacking[from] = true
	} else {
		t.event(from, Event{At: h.last, What: Gap, Size: to - h.next})
	}
	h.next = to
}

// deliver tells of what is new in a piece that is due.
func (t *tcp) deliver(from Side, e early) {
	h := &t.halves[from]
	h.last = max(h.last, e.at)
	old := h.next - e.pos
	if old >= int64(len(e.data)) {
		return
	}
	if h.fin >= 0 { // what comes beyond the end does not belong to it
		e.data = e.data[:max(old, min(int64(len(e.data)), h.fin-e.pos))]
	}
	data := e.data[old:]
	if t.messages != nil {
		h.next += int64(len(data))
		t.cut(from, data, e.push)
		return
	}
	if u := e.urgent - h.next; u >= 0 && u < int64(len(data)) && e.urgent != h.urgent {
		h.urgent = e.urgent
		t.stream(from, data[:u], h.last)
		t.event(from, Event{At: h.last, What: Urgent, Data: data[u : u+1]})
		h.next += u + 1
		data = data[u+1:]
	}
	t.stream(from, data, h.last)
	h.next += int64(len(data))
}

func (t *tcp) stream(from Side, data []byte, at time.Duration) {
	if len(data) > 0 {
		t.event(from, Event{At: at, What: Data, Data: data})
	}
}
