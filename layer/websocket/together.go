package websocket

import (
	"math"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// LendMessages is for [socket.Socket.LendMessages]: of the messages that one read has brought, those
// that are whole, of one type, and neither fragmented nor compressed. Receive takes the others.
func (m messages) LendMessages(into [][]byte) (n int) {
	e := m.endpoint
	e.reads.Lock()
	defer e.reads.Unlock()
	r := &e.reader
	r.in.shown = false
	if e.mayRead() != nil || len(e.kept.bytes) > 0 || !r.isBetween() {
		return 0
	}
	whole := r.looksAhead || r.whole()
	for whole && n < len(into) {
		if n > 0 && r.ahead.text != r.text { // the answers are of the type of the last
			break
		}
		payload := r.unmaskAhead()
		if r.ahead.text && !utf8.Valid(payload) {
			if n > 0 {
				r.unmaskAhead() // masks it again: the next call is to find it first
				break
			}
			e.readError(errNoText)
			return 0
		}
		r.in.from += r.ahead.size
		r.text = r.ahead.text
		into[n] = payload
		n++
		whole = r.whole()
	}
	r.looksAhead = whole
	if n > 0 {
		r.in.shown = true
		e.noteRead(r, uint32(n))
	}
	return n
}

// WriteMessages is for [socket.Socket.WriteMessages]: they leave together.
func (m messages) WriteMessages(messages [][]byte) (n int, err error) {
	e := m.endpoint
	e.takeTurn()
	defer e.giveTurn()
	for last := len(messages) - 1; n <= last && err == nil; n++ {
		n += e.addShort(messages[n:last])
		e.one[0] = messages[n]
		err = e.write(e.one[:], len(messages[n]), n < last)
	}
	if e.one[0] = nil; err == nil {
		return n, nil
	}
	n--
	e.flush() // of those before: an error of it, the next call tells
	return n, err
}

// addShort makes frames of messages, up to the first that needs more than that: other messages follow in
// the same turn. It returns how many.
func (e *endpoint) addShort(messages [][]byte) int {
	if len(messages) == 0 || e.packs || e.kind == textKind || e.mayWrite() != nil || e.peerClosed.Load() || e.out.asked.Load() {
		return 0
	}
	op := ws.OpBinary
	if e.kind == sameKind && e.sentText.Load() {
		op = ws.OpText
	}
	longest := int(min(e.reader.most, math.MaxUint16))
	for i, b := range messages {
		if len(b) > longest || op == ws.OpText && !utf8.Valid(b) || !e.out.addShort(op, b) {
			return i
		}
	}
	return len(messages)
}
