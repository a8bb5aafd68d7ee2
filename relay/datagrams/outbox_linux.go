package datagrams

import (
	"fmt"
	"syscall"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
)

// A piece is a message on its way, or a train of datagrams.
type piece struct {
	data    []byte
	segment int // of a train; 0 is none
	of      *session
}

func (p *piece) isTrain() bool { return p.segment > 0 && len(p.data) > p.segment }

func (p *piece) count() int64 { return datagramsIn(len(p.data), p.segment) }

// A direction is the side from which pieces come, and whether trains leave
// there as one.
type direction struct {
	from   outcome.Side
	trains bool
	refuse func(reason string) // is told why trains are off from now on
}

// An outbox sends pieces, for all sockets of a loop: it makes the headers of
// one system call at a time.
type outbox struct {
	batch   sys.Batch
	headers [mostBatch]header
	n       int
}

// A header is one send: a message, a train, or several messages that leave as
// a train.
type header struct {
	of       *session
	bytes    int
	messages int64
	segment  int   // of a train; 0 is none
	after    place // once it has left
	control  []byte
}

// A place is how far pieces have come: so many, and so many bytes of the
// next, a train that is cut here.
type place struct{ piece, at int }

func newOutbox() *outbox {
	o := &outbox{}
	o.batch.Grow(mostBatch)
	for i := range o.headers {
		o.headers[i].control = make([]byte, 0, controlSize)
	}
	return o
}

// sendmmsg and sendto are variables for the tests of failures.
var (
	sendmmsg = sys.RawSendmmsg
	sendto   = sys.RawSend
)

// send sends the pieces in order through fd, each to its session's peer or, if
// they come from there, to the peer that fd is connected to. It stops at the
// first failure, of the piece at the place that it returns.
//
// A train that the system refuses leaves as single datagrams: from then on all
// do where the errno says that none will ever pass, else that one, whose
// segments may be longer than its path takes in one packet.
func (o *outbox) send(fd int, ps []piece, d *direction) (place, syscall.Errno) {
	var at, cutTo place // trains before cutTo are cut
	for at.piece < len(ps) {
		if last := &ps[at.piece]; d.from == outcome.A && at.piece == len(ps)-1 && !last.isTrain() {
			// A message alone to a peer that is connected, as most are where many peers
			// send: a header would cost a tenth more.
			_, errno := sendto(fd, last.data, sys.DontWait)
			if errno != 0 {
				return at, errno
			}
			last.of.passed(d.from, 1, len(last.data))
			return place{len(ps), 0}, 0
		}
		o.fill(ps, at, cutTo, d)
		errno, left := syscall.Errno(0), 0
		for errno == 0 && left < o.n {
			var n int
			n, errno = sendmmsg(fd, &o.batch, left, o.n, sys.DontWait)
			left += n
		}
		for i := range left {
			h := &o.headers[i]
			h.of.passed(d.from, h.messages, h.bytes)
			at = h.after
		}
		var refused header
		if left < o.n {
			refused = o.headers[left]
		}
		o.clear()
		switch {
		case errno == 0:
		case refused.segment > 0 && sys.RefusesTrains(errno):
			d.trains = false
			d.refuse(fmt.Sprintf("the system refused a train of datagrams: %v", errno))
		case refused.segment > 0 && sys.RefusesSegment(errno):
			cutTo = refused.after
		default:
			return at, errno
		}
	}
	return at, 0
}

func (o *outbox) clear() {
	for i := range o.n {
		o.batch.Msgs[i].ClearBuffers()
		o.headers[i].of = nil
	}
	o.n = 0
}

// fill makes headers of the pieces from a place on, until the batch is full.
func (o *outbox) fill(ps []piece, at, cutTo place, d *direction) {
	for at.piece < len(ps) && o.n < mostBatch {
		longest := 0
		if d.trains && !at.before(cutTo) {
			longest = sys.MostTrainBytes
		}
		p, h, m := &ps[at.piece], &o.headers[o.n], &o.batch.Msgs[o.n]
		h.of, h.segment = p.of, 0
		if p.isTrain() {
			most := p.segment * sys.Segments(p.segment, longest)
			data := p.data[at.at:]
			data = data[:min(len(data), most)]
			m.AddBuffer(data)
			h.bytes, h.messages = len(data), datagramsIn(len(data), p.segment)
			if len(data) > p.segment {
				h.segment = p.segment
			}
			if at.at += len(data); at.at == len(p.data) {
				at = place{at.piece + 1, 0}
			}
		} else {
			n := runOf(ps[at.piece:], longest)
			h.bytes, h.messages = 0, int64(n)
			for i := range n {
				data := ps[at.piece+i].data
				m.AddBuffer(data)
				h.bytes += len(data)
			}
			if n > 1 {
				h.segment = len(p.data)
			}
			at.piece += n
		}
		h.after = at
		m.Name.Len, m.Control = 0, h.control[:0]
		if d.from == outcome.B {
			m.Name.Len = uint32(copy(m.Name.Buf[:], p.of.sockaddr()))
			m.Control = p.of.appendSource(m.Control)
		}
		if h.segment > 0 {
			m.Control = sys.AppendSegmentSize(m.Control, h.segment)
		}
		o.n++
	}
}

func (a place) before(b place) bool { return a.piece < b.piece || a.piece == b.piece && a.at < b.at }

// runOf returns how many of the pieces, from the first on, can leave as one
// train: messages of one size, the last perhaps shorter, of one session.
func runOf(ps []piece, longest int) int {
	first := &ps[0]
	return pass.Train(min(sys.Segments(len(first.data), longest), len(ps)), func(i int) int {
		if p := &ps[i]; p.of == first.of && !p.isTrain() {
			return len(p.data)
		}
		return 0
	})
}
