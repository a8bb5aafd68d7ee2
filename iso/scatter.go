package iso

import "zocalo/socket"

// scatter reads from TCP with the inbox empty: the payload straight to where
// it belongs, and what follows it too, as far as the guess is right that
// these are DTs of the size agreed on. A long message then needs few calls and
// no copying. What was guessed wrong goes to the inbox.
func (e *connection) scatter(s *sink) error {
	if err := e.over(); err != nil {
		return err
	}
	if e.end != nil {
		return e.ending(e.end)
	}
	e.makeInbox(smallInbox)
	e.inbox, e.start = e.inbox[:0], 0
	room := s.room()
	vector := e.direct.Buffers[:0]
	slot := func(most int) {
		n := min(most, len(room))
		vector, room = append(vector, room[:n]), room[n:]
	}
	if e.payload > 0 {
		slot(e.payload)
	}
	whole := e.payload == 0 || len(vector[0]) == e.payload
	if whole && (e.stream && !e.urgent.agreed || !e.last) {
		most := len(room) - largeInbox // of the guess, which may be wrong
		for i := 0; i < scattered && len(room) > max(most, 0); i++ {
			vector = append(vector, e.headers[i][:])
			slot(e.cut)
		}
	}
	vector = append(vector, e.inbox[:cap(e.inbox)])
	e.direct.Buffers = vector
	err := e.tcp.Receive(&e.direct)
	n := e.direct.N
	if n == 0 {
		clear(vector)
		return e.ending(err)
	}
	tail := vector[len(vector)-1]
	slots := vector[:len(vector)-1]
	for _, b := range slots {
		n -= min(n, len(b))
	}
	e.inbox = tail[:n] // which is its own memory
	e.settleSlots(s, slots, e.direct.N-n)
	clear(vector)
	return nil
}

// settleSlots takes n bytes that came to the slots of scatter.
func (e *connection) settleSlots(s *sink, slots [][]byte, n int) {
	if e.payload > 0 {
		k := min(n, len(slots[0]))
		s.advance(k)
		e.passed(k)
		slots, n = slots[1:], n-k
	}
	for ; n > 0; slots = slots[2:] {
		h, data := slots[0], slots[1]
		size, err := parseTPKT(h)
		if n < framing || err != nil || h[4] != dataHeader-1 || h[5]&0xf0 != codeDT || !e.fits(size-framing) {
			e.unread(slots, n, 0)
			return
		}
		e.payload, e.last, e.open = size-framing, h[6]&eot != 0, true
		if socket.Tracing() {
			tracedData(traceIn, e.tcp, e.payload, e.last)
		}
		n -= framing
		k := min(n, len(data), e.payload)
		s.advance(k)
		e.passed(k)
		if n -= k; n > 0 && (k < len(data) || e.payload > 0 || e.last && !e.stream) {
			e.unread(slots[1:], n, k)
			return
		}
	}
}

// unread puts n bytes of the slots, those after the first skip of them, before
// what is in the inbox.
func (e *connection) unread(slots [][]byte, n, skip int) {
	behind := len(e.inbox)
	e.makeInbox(n + behind)
	e.inbox = e.inbox[:n+behind]
	copy(e.inbox[n:], e.inbox[:behind])
	at := 0
	for _, b := range slots {
		b = b[skip:]
		skip = 0
		at += copy(e.inbox[at:n], b)
	}
}
