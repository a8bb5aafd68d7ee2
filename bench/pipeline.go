package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"zocalo/socket"
)

// A pipeline sends requests in one goroutine and takes their answers in
// another.
type pipeline struct {
	*requester
	begin time.Time

	// Of a closed loop: a place for each request that may be under way, and
	// when each was sent, since begin, by its number.
	room    chan struct{}
	started []atomic.Int64

	next    atomic.Uint64 // requests sent
	sentAll chan struct{} // closed when there will be no more
	over    chan struct{} // closed when no more answers are taken

	answers uint64   // all of them, each once
	seen    []uint64 // where messages may be lost or repeated: the last answered number, plus 1, of each place
}

// seenPlaces are as many as requests may be under way where messages may be
// lost: an answer that comes after so many later requests is not counted.
const seenPlaces = 1 << 16

// pipelined makes requests without waiting for each answer: at the times at
// which they are due, or with some under way at once.
func (x *requester) pipelined() error {
	p := &pipeline{requester: x, begin: time.Now(), sentAll: make(chan struct{}), over: make(chan struct{})}
	if x.options.Mode != AtRate {
		p.room = make(chan struct{}, x.options.Depth)
		p.started = make([]atomic.Int64, 2*x.options.Depth)
	}
	if x.flow.mayLose() {
		p.seen = make([]uint64, seenPlaces)
		if p.room != nil { // one that is held up is overtaken by any number of others
			p.started = make([]atomic.Int64, seenPlaces)
		}
	}
	sent := make(chan error, 1)
	go func() { sent <- p.sendAll() }()
	err := p.receiveAll()
	close(p.over)
	x.flow.socket.SetWriteDeadline(past)
	if sendErr := <-sent; sendErr != nil && !errors.Is(sendErr, os.ErrDeadlineExceeded) {
		return sendErr
	}
	return err
}

// due is when the request of that number was to be sent, in an open loop, or
// was sent.
func (p *pipeline) due(number uint64) time.Time {
	if p.room == nil {
		return p.begin.Add(time.Duration(number) * p.flow.ask.gap)
	}
	return p.begin.Add(time.Duration(p.started[number%uint64(len(p.started))].Load()))
}

// sendAll sends requests until it is stopped or all are sent, and then wakes
// the receiver.
func (p *pipeline) sendAll() error {
	defer p.flow.socket.SetReadDeadline(past)
	defer close(p.sentAll)
	for n := uint64(0); !p.stop.Load() && (p.flow.ask.count == 0 || n < uint64(p.flow.ask.count)); n++ {
		if p.room != nil {
			select {
			case p.room <- struct{}{}:
			case <-p.over:
				return nil
			}
			p.started[n%uint64(len(p.started))].Store(int64(time.Since(p.begin)))
		} else {
			due := p.due(n)
			p.pace.until(due, &p.stop)
			if p.stop.Load() {
				return nil
			}
			p.late.record(time.Since(due), !due.Before(p.phase.start))
		}
		p.asked(p.due(n))
		p.prepare(n)
		p.next.Store(n + 1)
		if err := p.send(); err != nil {
			return err
		}
	}
	return nil
}

// receiveAll takes answers until all requests are answered, or given up.
func (p *pipeline) receiveAll() error {
	size := len(p.request)
	buffer := make([]byte, max(size+1, 64<<10))
	var have int          // bytes of a stream that are no whole answer yet
	var end time.Time     // of waiting, once all is sent
	var renewed time.Time // the deadline
	last := time.Now()    // when an answer came
	for {
		if now := time.Now(); end.IsZero() && now.Sub(renewed) > p.patience()/4 {
			renewed = now
			p.flow.socket.SetReadDeadline(now.Add(p.patience()))
		}
		if end.IsZero() && p.allSent() {
			end = time.Now().Add(p.patience())
			p.flow.socket.SetReadDeadline(end)
		}
		if !end.IsZero() && p.answers >= p.next.Load() {
			return nil
		}
		n, err := p.flow.socket.Read(buffer[have:])
		now := time.Now()
		if n > 0 {
			last = now
			if !p.flow.kind.Bounded {
				have += n
				at := 0
				for ; have-at >= size; at += size {
					p.took(buffer[at:at+size], p.answers, now)
				}
				have = copy(buffer, buffer[at:have])
			} else if wrong := p.message(buffer[:n], now); wrong != nil {
				return wrong
			}
		}
		switch {
		case err == nil, errors.Is(err, socket.ErrTruncated):
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case !end.IsZero():
			if !now.Before(end) {
				return nil // the rest will never be answered
			}
		case now.Sub(last) >= p.patience() && p.answers < p.next.Load() && p.room != nil:
			if !p.flow.mayLose() {
				return err
			}
			p.forget()
		}
	}
}

// allSent reports whether there will be no more requests.
func (p *pipeline) allSent() bool {
	select {
	case <-p.sentAll:
		return true
	default:
		return false
	}
}

// message takes a message that is an answer.
func (p *pipeline) message(b []byte, now time.Time) error {
	if !p.flow.mayLose() {
		if len(b) != len(p.request) {
			return fmt.Errorf("an answer of %d bytes to %d", len(b), len(p.request))
		}
		p.took(b, p.answers, now)
		return nil
	}
	if len(b) < numberSize {
		return nil
	}
	number := binary.BigEndian.Uint64(b)
	if number >= p.next.Load() {
		return nil // a greeting that came back twice
	}
	place := &p.seen[number%seenPlaces]
	if *place > number {
		p.repeated.Add(1)
		return nil
	}
	*place = number + 1
	p.took(b, number, now)
	return nil
}

// took takes the answer to the request of that number.
func (p *pipeline) took(b []byte, number uint64, now time.Time) {
	p.answers++
	p.answer(p.shard, p.due(number), now, len(b))
	p.check(b, number)
	if p.room != nil {
		select {
		case <-p.room:
		default: // its place was given up
		}
	}
}

// forget gives up the requests under way, of which none was answered for
// long, so that others may be made.
func (p *pipeline) forget() {
	for {
		select {
		case <-p.room:
		default:
			return
		}
	}
}
