package xns

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// A sender is the sending half of a connection. Packets have their numbers
// from the time that they are written, una being the oldest: una to max were
// sent at least once, next is the next to send, and end follows the last.
type sender struct {
	packets             seqRing[outPacket]
	una, next, max, end uint16
	alloc               uint16 // the highest number that the peer takes
	window              congestion
	attentions          int  // of packets from max to end that are not sent yet
	probed              bool // una was sent once more, without waiting for long
}

// An outPacket is one that the peer has not acknowledged.
type outPacket struct {
	*buffer    // with room for the headers
	size       int
	control    uint8
	datastream uint8
	times      int // sent so often
	at         time.Duration
}

// queued is how many packets are in the queue.
func (s *sender) queued() int { return int(s.end - s.una) }

// hasAll reports whether the peer has all that was written, or never will.
func (c *conn) hasAll() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == dead || c.send.queued() == 0
}

// beyond is how many of the packets would be beyond the allocation with k
// more.
func (s *sender) beyond(k int) int { return int(int16(s.end + uint16(k) - 1 - s.alloc)) }

func (s *sender) free() {
	for ; s.una != s.end; s.una++ {
		s.packets.at(s.una).buffer.free()
	}
	s.packets = seqRing[outPacket]{}
}

// hasRoom reports whether a message of k packets may be put into the queue:
// urgent data must still be able to pass it. The caller holds mu.
func (c *conn) hasRoom(k int) bool {
	s := &c.send
	return s.queued()+k <= sendPackets && s.beyond(k) <= messagePackets
}

// put puts a message into the queue, all of it or, where there is no room,
// nothing. A stream's has no end.
func (c *conn) put(buffers [][]byte, size int, datastream uint8, end bool) (ready bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.mayWrite(); err != nil {
		c.writable.Ring()
		return true, err
	}
	k := max(1, (size+c.size-1)/c.size)
	if k > messagePackets {
		return true, syscall.EMSGSIZE
	}
	if !c.hasRoom(k) {
		return false, nil
	}
	for i := range k {
		n := min(c.size, size-i*c.size)
		p := c.enqueue(n, 0, datastream)
		gather(p.data[sppHeaders:sppHeaders+n], buffers, i*c.size)
		if end && i == k-1 {
			p.control |= ControlEndOfMessage
		}
	}
	c.written()
	return true, nil
}

// putStream puts as much of b into the queue as there is room for.
func (c *conn) putStream(b []byte, datastream uint8) (n int, ready bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.mayWrite(); err != nil {
		c.writable.Ring()
		return 0, true, err
	}
	if len(b) == 0 {
		return 0, true, nil
	}
	n = c.fill(b, datastream)
	for n < len(b) && c.hasRoom(1) {
		k := min(c.size, len(b)-n)
		p := c.enqueue(k, 0, datastream)
		n += copy(p.data[sppHeaders:sppHeaders+k], b[n:])
	}
	if n == 0 {
		return 0, false, nil
	}
	c.written()
	return n, true, nil
}

// fill adds to the last packet, if it waits and is of the same sort. The
// caller holds mu.
func (c *conn) fill(b []byte, datastream uint8) int {
	s := &c.send
	if s.una == s.end {
		return 0
	}
	p := s.packets.at(s.end - 1)
	if p.times > 0 || p.control != 0 || p.datastream != datastream || p.size >= c.size {
		return 0
	}
	n := copy(p.data[sppHeaders+p.size:sppHeaders+c.size], b)
	p.size += n
	return n
}

// putUrgent puts an attention into the queue; it is sent ahead of what is
// before it there.
func (c *conn) putUrgent(urgent, datastream uint8) (ready bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.mayWrite(); err != nil {
		c.writable.Ring()
		return true, err
	}
	if c.send.beyond(1) > attentionAhead || c.send.queued() >= sendPackets+attentionAhead {
		return false, nil
	}
	p := c.enqueue(1, ControlAttention, datastream)
	p.data[sppHeaders] = urgent
	c.send.attentions++
	c.written()
	return true, nil
}

// written sends what can be sent, and wakes the next writer.
func (c *conn) written() {
	c.push()
	if c.hasRoom(1) {
		c.writable.Ring()
	}
	c.arm()
}

// mayWrite says why nothing can be written, if so. The caller holds mu.
func (c *conn) mayWrite() error {
	switch {
	case c.abandoned: // by its own end, whatever the peer says since
		return net.ErrClosed
	case c.state == dead && c.err != nil:
		return c.err
	case c.state == dead, c.ending(), c.sentEnd, c.sentReply:
		return syscall.EPIPE
	case c.state != established:
		return syscall.ENOTCONN
	}
	return nil
}

// enqueue adds a packet with room for that much data. The caller holds mu.
func (c *conn) enqueue(size int, control, datastream uint8) *outPacket {
	s := &c.send
	s.packets.reserve(s.una, s.queued()+1)
	p := s.packets.at(s.end)
	*p = outPacket{buffer: newBuffer(), size: size, control: control, datastream: datastream}
	s.end++
	return p
}

// enqueueControl adds one of the packets that close a connection, for which
// there always is room.
func (c *conn) enqueueControl(datastream uint8) { c.enqueue(0, 0, datastream) }

// push sends what the peer and the network have room for. The caller holds mu.
func (c *conn) push() {
	s := &c.send
	for c.state == established && s.next != s.end {
		p := s.packets.at(s.next)
		first := !before(s.next, s.max)
		if !first || p.times == 0 { // else it is an attention that went ahead
			if before(s.limit(p), s.next) || int(s.next-s.una) >= s.window.size() {
				break
			}
			if first && p.control&ControlAttention != 0 {
				s.attentions--
			}
			c.prepare(s.next, p)
			c.train = append(c.train, p.bytes())
		}
		s.next++
		if before(s.max, s.next) {
			s.max = s.next
		}
		if len(c.train) == mostTrain {
			c.depart()
		}
	}
	c.depart()
	c.pushAttentions()
	c.armPersist()
}

// limit is the highest number that the peer takes a packet under.
func (s *sender) limit(p *outPacket) uint16 {
	if p.control&ControlAttention != 0 {
		return s.alloc + attentionAhead
	}
	return s.alloc
}

// pushAttentions sends the attentions ahead of what waits. The caller holds
// mu.
func (c *conn) pushAttentions() {
	s := &c.send
	for seq := s.max; s.attentions > 0 && seq != s.end && c.state == established; seq++ {
		p := s.packets.at(seq)
		if p.control&ControlAttention == 0 || p.times > 0 {
			continue
		}
		if before(s.limit(p), seq) {
			return
		}
		s.attentions--
		c.transmit(seq, p)
	}
}

// repeatAttentions sends those that went ahead again, a few times: while what
// is before them waits, no acknowledgement can tell of them. The caller holds
// mu.
func (c *conn) repeatAttentions() {
	s := &c.send
	for seq := s.max; seq != s.end && c.state == established; seq++ {
		if p := s.packets.at(seq); p.times > 0 && p.times < 5 {
			c.transmit(seq, p)
		}
	}
}

// transmit sends a packet. The caller holds mu.
func (c *conn) transmit(seq uint16, p *outPacket) {
	c.prepare(seq, p)
	c.sent(c.host.send(c.host.nextHop(c.peer, c.config.gateway), p.bytes()))
}

// prepare makes a packet ready to be sent now. The caller holds mu.
func (c *conn) prepare(seq uint16, p *outPacket) {
	now := c.now()
	c.header(p.data[:], p.size, SPPHeader{Control: p.control | ControlSendAck, Datastream: p.datastream, Sequence: seq})
	c.host.finish(p.buffer, sppHeaders+p.size, c.config.checked)
	p.times++
	p.at = now
	if c.timers.resend == 0 {
		c.timers.resend = now + c.send.patience()
	}
}

// depart sends the train that push has put together, before anything can free
// its packets. The caller holds mu.
func (c *conn) depart() {
	if len(c.train) > 0 {
		c.sent(c.host.sendTrain(c.host.nextHop(c.peer, c.config.gateway), c.train))
		clear(c.train)
		c.train = c.train[:0]
	}
}

// header writes both headers of a packet, with what every packet says of the
// other direction. The caller holds mu.
func (c *conn) header(b []byte, size int, spp SPPHeader) {
	to := c.peer
	if to.Net == 0 {
		to.Net = c.host.Network()
	}
	hdr := Header{Length: sppHeaders + size, Type: TypeSPP, To: to, From: c.local}
	hdr.put(b)
	spp.From, spp.To = c.id, c.peerID
	spp.Ack, spp.Allocation = c.receive.next, c.allocation()
	spp.put(b[HeaderSize:])
	c.receive.unacked, c.timers.ack = 0, 0
}

// sent looks at the error of sending: a packet that does not fit the link will
// never arrive, and ends the connection. A host that is not there any more,
// once both sides have ended, has heard all that it wanted. All else is like a
// loss. The caller holds mu.
func (c *conn) sent(err error) {
	switch {
	case errors.Is(err, syscall.EMSGSIZE):
		c.die(syscall.EMSGSIZE)
	case errors.Is(err, syscall.EHOSTUNREACH) && c.abandoned && (c.gotEnd || c.gotReply):
		c.die(nil)
	}
}

// sendSystem sends a packet without data, with those control bits besides. The
// caller holds mu.
func (c *conn) sendSystem(control uint8) error {
	c.header(c.scratch[:], 0, SPPHeader{Control: ControlSystem | control, Sequence: c.send.max})
	if c.config.checked {
		seal(c.scratch[:])
	}
	return c.host.send(c.host.nextHop(c.peer, c.config.gateway), c.scratch[:])
}

// acknowledged takes in what a packet says of this direction: ack is the
// number that the peer expects next, alloc the highest that it takes. A packet
// without data that says nothing new hints at a loss. The caller holds mu.
func (c *conn) acknowledged(spp *SPPHeader) {
	s := &c.send
	sent := int(s.max - s.una)
	n := int(int16(spp.Ack - s.una))
	if n == sent+1 {
		n = sent // some implementations are one too high
	}
	news := before(s.alloc, spp.Allocation)
	if news {
		s.alloc = spp.Allocation
		c.timers.persist, c.timers.persists = 0, 0
	}
	switch {
	case n > 0 && n <= sent:
		c.dequeue(n)
	case n == 0 && sent > 0 && spp.Control&ControlSystem != 0 && !news:
		if s.window.duplicate(s) {
			c.transmit(s.una, s.packets.at(s.una))
		}
	}
	if c.state == established {
		c.push()
		if c.hasRoom(1) {
			c.writable.Ring()
		}
		c.checkOver()
	}
}

// dequeue takes n packets that have arrived out of the queue. The caller holds
// mu.
func (c *conn) dequeue(n int) {
	s, now := &c.send, c.now()
	once, last, took := true, true, time.Duration(0)
	for range n {
		p := s.packets.at(s.una)
		last, took = p.times == 1 && p.control&ControlAttention == 0, now-p.at
		once = once && last
		p.buffer.free()
		*p = outPacket{}
		s.una++
	}
	// What was sent twice or ahead, and what had to wait for it, tells nothing
	// (Karn's rule). But where nothing is known yet, a time that is too long and
	// still shortens the timeout is better than none: else a bad link would be
	// waited for by the second.
	if once || last && s.window.srtt == 0 && 3*took < s.window.rto {
		s.window.sample(took)
	}
	if before(s.next, s.una) {
		s.next = s.una
	}
	c.timers.resend, s.probed = 0, false
	if s.una != s.max {
		c.timers.resend = now + s.patience()
	}
	if s.window.progress(s, n) && s.una != s.max {
		c.transmit(s.una, s.packets.at(s.una))
	}
}

// patience is how long to wait for an acknowledgement: little at first, for a
// probe.
func (s *sender) patience() time.Duration {
	if !s.probed && s.window.srtt > 0 {
		return min(max(2*s.window.srtt, leastProbe), s.window.timeout())
	}
	return s.window.timeout()
}

// resend is what happens when an acknowledgement does not come in time. First
// the oldest packet is sent again, as a probe, since it may be all that was
// lost and nothing follows that could tell (after RFC 8985's tail loss probe).
// Then it is taken for a sign of congestion: all that is not acknowledged is
// sent again, as fast as acknowledgements come. The caller holds mu.
func (c *conn) resend() {
	s := &c.send
	c.timers.resend = 0
	if !s.probed && s.window.srtt > 0 && s.una != s.max {
		s.probed = true
		c.timers.resend = c.now() + s.window.timeout()
		c.transmit(s.una, s.packets.at(s.una))
		return
	}
	s.window.expired(s)
	if s.una == s.max {
		c.repeatAttentions()
		return
	}
	if s.packets.at(s.una).times >= c.config.tries {
		c.timedOut()
		return
	}
	s.next = s.una
	c.push()
}
