package xns

import (
	"io"
	"syscall"

	"zocalo/socket"
)

// A receiver is the receiving half of a connection: packets from first, the
// oldest that the user has not read, to next, the first that has not come, are
// complete; after them there may be gaps.
type receiver struct {
	packets     seqRing[inPacket]
	first, next uint16
	granted     uint16 // the highest number that the peer was allowed
	told        uint16 // of granted, in the last packet sent
	offset      int    // bytes read of the first packet
	ends        int    // of messages, from first to next
	unacked     int    // packets that came and were not acknowledged
	owed        bool   // an acknowledgement is sent once the train is taken in
	datastream  uint8  // of the packet before next
	urgent      []byte
	complete    bool   // the end has come: nothing follows last
	last        uint16 // the number of the packet that said so
}

// An inPacket is one that waits for its reader.
type inPacket struct {
	*buffer    // nil if there is no data
	data       []byte
	there      bool
	attention  bool
	ends       bool // a message
	marked     bool // as ending one, by the peer
	datastream uint8
}

func (p *inPacket) free() {
	if p.buffer != nil {
		p.buffer.free()
	}
	*p = inPacket{}
}

func (r *receiver) free() {
	for i := range r.packets.slots {
		r.packets.slots[i].free()
	}
	r.packets = seqRing[inPacket]{}
	r.next, r.ends = r.first, 0
}

// allocation is the highest number that the peer may use. A message that is
// not complete does not take away from the window, up to a bound. What was
// granted stays so. The caller holds mu.
func (c *conn) allocation() uint16 {
	r := &c.receive
	from := r.first
	if c.abandoned || c.state != established || !c.stream && r.ends == 0 && int(r.next-r.first) < mostPieces {
		from = r.next
	}
	if highest := from + uint16(c.config.window-1); before(r.granted, highest) {
		r.granted = highest
	}
	r.told = r.granted
	return r.granted
}

// sequenced takes in a packet that has a number, and reports whether it keeps
// the buffer. The caller holds mu.
func (c *conn) sequenced(hdr *Header, spp *SPPHeader, data []byte, b *buffer) (kept bool) {
	r := &c.receive
	more := b.more // while the buffer is still here
	attention := spp.Control&ControlAttention != 0
	limit := r.granted
	if attention {
		limit += attentionAhead
	}
	seq := spp.Sequence
	if before(seq, r.next) || before(limit, seq) {
		if before(limit, seq) {
			c.host.sendError(hdr, b, errResourceLimit, 0)
		}
		c.sendSystem(0)
		return false
	}
	r.packets.reserve(r.first, int(seq-r.first)+1)
	p := r.packets.at(seq)
	if p.there {
		c.sendSystem(0)
		return false
	}
	*p = inPacket{there: true, attention: attention, datastream: spp.Datastream, marked: spp.Control&ControlEndOfMessage != 0}
	switch {
	case attention:
		if len(data) > 0 && !c.abandoned {
			c.takeAttention(data[0])
		}
	case len(data) > 0:
		p.buffer, p.data, kept = b, data, true
	}
	if seq != r.next {
		c.sendSystem(0) // something is missing: say so at once
		return kept
	}
	r.unacked++
	closing := c.advance()
	switch {
	case c.state != established, r.unacked == 0: // an answer has said it
	case !closing && r.owed:
	case !closing && more:
		r.owed = true
		c.host.owing = append(c.host.owing, c)
	case closing || r.unacked >= 2:
		c.sendSystem(0)
	case c.timers.ack == 0:
		c.timers.ack = c.now() + ackDelay
	}
	return kept
}

// acknowledge sends what is owed for a train, unless another packet has told.
func (c *conn) acknowledge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.receive
	r.owed = false
	switch {
	case c.state != established || r.unacked == 0:
	case r.unacked >= 2:
		c.sendSystem(0)
	case c.timers.ack == 0:
		c.timers.ack = c.now() + ackDelay
	}
	c.arm()
}

func (c *conn) takeAttention(urgent byte) {
	r := &c.receive
	if len(r.urgent) == urgentKept {
		r.urgent = r.urgent[:copy(r.urgent, r.urgent[1:])]
	}
	r.urgent = append(r.urgent, urgent)
	c.urgency.Ring()
}

// advance moves on over the packets that are complete now, and reports whether
// one of them closes the connection. The caller holds mu.
func (c *conn) advance() (closing bool) {
	r := &c.receive
	hadEnd, hadReply := c.gotEnd, c.gotReply
	for int(r.next-r.first) < len(r.packets.slots) {
		p := r.packets.at(r.next)
		if !p.there {
			break
		}
		if !p.attention {
			c.inOrder(p)
		}
		r.next++
	}
	if !c.stream && r.ends == 0 && int(r.next-r.first) >= mostPieces {
		r.packets.at(r.next - 1).ends = true
		r.ends++
	}
	if c.abandoned {
		c.discard()
	}
	c.readable.Ring()
	if c.gotEnd == hadEnd && c.gotReply == hadReply {
		return false
	}
	c.closeAsked()
	return true
}

// inOrder takes in the packet at next. The caller holds mu.
func (c *conn) inOrder(p *inPacket) {
	r := &c.receive
	switch p.datastream {
	case datastreamEnd, datastreamEndReply:
		c.cutMessage()
		if !r.complete {
			r.complete, r.last = true, r.next
		}
		c.gotEnd = c.gotEnd || p.datastream == datastreamEnd
		c.gotReply = c.gotReply || p.datastream == datastreamEndReply
		return
	}
	if p.datastream != r.datastream {
		c.cutMessage()
		r.datastream = p.datastream
	}
	if p.ends = p.marked || c.config.packets; p.ends {
		r.ends++
	}
}

// cutMessage ends the message before next, if one is open there. The caller
// holds mu.
func (c *conn) cutMessage() {
	r := &c.receive
	for seq := r.next; seq != r.first; {
		seq--
		p := r.packets.at(seq)
		if p.attention {
			continue
		}
		if !p.ends && p.datastream < datastreamEnd {
			p.ends = true
			r.ends++
		}
		return
	}
}

// closeAsked answers the peer's 254 or 255 with a 255, once. The caller holds
// mu.
func (c *conn) closeAsked() {
	if !c.sentReply {
		c.sentReply = true
		c.enqueueControl(datastreamEndReply)
	}
	c.writable.Ring()
	c.urgency.Ring()
	c.push()
}

// discard drops what the user will not read, and reports whether that makes
// room. The caller holds mu.
func (c *conn) discard() bool {
	r := &c.receive
	from := r.first
	for r.first != r.next {
		c.drop()
	}
	r.urgent = nil
	return r.first != from
}

// drop removes the first packet. The caller holds mu.
func (c *conn) drop() {
	r := &c.receive
	p := r.packets.at(r.first)
	if p.ends {
		r.ends--
	}
	p.free()
	r.first++
	r.offset = 0
}

// emptied tells the peer of new room, if that is worth a packet. The caller
// holds mu.
func (c *conn) emptied() {
	if c.state != established || c.receive.complete {
		return
	}
	told := c.receive.told
	if room := int(int16(c.allocation() - told)); room >= max(1, c.config.window/2) {
		c.sendSystem(0)
	} else {
		c.receive.told = told
	}
	c.arm()
}

// finished says what follows what was read, nil while more may come. The
// caller holds mu.
func (c *conn) finished() error {
	r := &c.receive
	switch {
	case c.state == dead && c.err != nil:
		return c.err
	case r.complete:
		seq := r.first
		for before(seq, r.last) && r.packets.at(seq).attention {
			seq++
		}
		if !before(seq, r.last) {
			return io.EOF
		}
	case c.state == dead:
		return io.EOF
	case c.state != established:
		return syscall.ENOTCONN
	}
	return nil
}

// skipAttentions passes the marks that are first, if something follows them.
// The caller holds mu.
func (c *conn) skipAttentions() {
	r := &c.receive
	seq := r.first
	for seq != r.next && r.packets.at(seq).attention {
		seq++
	}
	if seq == r.next {
		return
	}
	for r.first != seq {
		c.drop()
	}
}

// read takes bytes of a stream, up to an urgent mark.
func (c *conn) read(b []byte) (n int, ready bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.receive
	c.skipAttentions()
	from := r.first
	for n < len(b) && r.first != r.next && !(r.complete && r.first == r.last) {
		p := r.packets.at(r.first)
		if p.attention {
			break
		}
		k := copy(b[n:], p.data[r.offset:])
		n += k
		r.offset += k
		if r.offset == len(p.data) {
			c.drop()
		}
	}
	if r.first != from {
		c.emptied()
	}
	err = c.finished()
	if n > 0 {
		if r.first != r.next || err != nil {
			c.readable.Ring()
		}
		return n, true, nil
	}
	if err != nil {
		c.readable.Ring()
	}
	return 0, err != nil, err
}

// A record is what there is to say of a message.
type record struct {
	size       int
	datastream uint8
	end        bool // the peer marked its end
}

// take fills buffers with the oldest message, and removes it unless it only is
// to be peeked at.
func (c *conn) take(buffers [][]byte, peek bool) (m record, n int, ready bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.receive
	if r.ends == 0 {
		if err = c.finished(); err != nil {
			c.readable.Ring()
		}
		return m, 0, err != nil, err
	}
	seq, first := r.first, true
	for {
		p := r.packets.at(seq)
		seq++
		if p.attention {
			continue
		}
		if first {
			m.datastream, first = p.datastream, false
		}
		n += scatter(buffers, m.size, p.data)
		m.size += len(p.data)
		if p.ends {
			m.end = p.marked
			break
		}
	}
	if !peek {
		for r.first != seq {
			c.drop()
		}
		c.emptied()
	}
	if r.ends > 0 || c.finished() != nil {
		c.readable.Ring()
	}
	return m, n, true, nil
}

// takeUrgent takes the oldest urgent byte.
func (c *conn) takeUrgent() (urgent byte, ready bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.receive
	if len(r.urgent) > 0 {
		urgent = r.urgent[0]
		r.urgent = r.urgent[:copy(r.urgent, r.urgent[1:])]
		if len(r.urgent) > 0 {
			c.urgency.Ring()
		}
		return urgent, true, nil
	}
	switch {
	case c.state == dead && c.err != nil:
		err = c.err
	case c.state == dead, r.complete:
		err = io.EOF
	}
	if err != nil {
		c.urgency.Ring()
	}
	return 0, err != nil, err
}

// atMark reports whether the next thing is what an attention came before.
func (c *conn) atMark() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.receive
	return r.first != r.next && r.offset == 0 && r.packets.at(r.first).attention
}

// messageFlags are those with which a message was received.
func (m record) messageFlags() socket.MessageFlags {
	if m.end {
		return socket.EndOfRecord
	}
	return 0
}
