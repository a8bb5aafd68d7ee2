package xns

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"time"

	"zocalo/socket"
)

// The bounds and defaults of a [Ping].
const (
	DefaultPingInterval = time.Second
	DefaultPingPatience = 2 * time.Second
	PingOverhead        = 12   // bytes of data that a request has at least: a random number and its own
	mostPings           = 4096 // requests that are waited for at once
)

// A Ping asks a host for Echo again and again, as ping(8) does by ICMP. The
// zero Ping asks each second, with as few bytes as possible, until its
// context ends.
type Ping struct {
	Count    int           // requests; 0 or less is no bound
	Interval time.Duration // from one to the next; 0 or less is [DefaultPingInterval]
	Patience time.Duration // a reply later than this is lost; 0 or less is [DefaultPingPatience]
	Size     int           // bytes of data in a request; fewer than [PingOverhead] are that many
}

// A PingEvent is what came of a request.
type PingEvent struct {
	Number    int           // of the request, from 1 on
	From      Addr          // who replied
	Size      int           // bytes of data in the reply
	Took      time.Duration // from the request to the reply
	Replies   int           // hosts that have replied to the request, this one included
	Duplicate bool          // the same host has replied to it already
	Lost      bool          // nobody has replied in time
	Err       error         // it could not be sent, or an Error came about one before it
}

// ping is one run of a Ping.
type ping struct {
	Ping
	s       *socket.Socket
	see     func(PingEvent)
	id      uint64
	many    bool // several hosts are asked
	sent    int  // requests
	open    int  // of them, those that more replies may come to
	waiting map[int]*pinged
	first   int // the oldest that may be in waiting
	packet  []byte
}

// pinged is a request that was sent.
type pinged struct {
	at      time.Time
	replied map[HostID]bool // nil until the first
}

// A reply is a packet that came.
type reply struct {
	at   time.Time
	from Addr
	data []byte
	err  error
}

// Run asks on an idp socket that is connected, whose type of packet it sets.
// It gives see what comes, one event at a time, and returns when all requests
// were replied to or lost, with ctx's error when that ends before, or with what
// makes further requests useless. One to all hosts is replied to when the
// patience is over.
func (p Ping) Run(ctx context.Context, s *socket.Socket, see func(PingEvent)) error {
	if err := PacketType.Set(s, TypeEcho); err != nil {
		return err
	}
	if p.Interval <= 0 {
		p.Interval = DefaultPingInterval
	}
	if p.Patience <= 0 {
		p.Patience = DefaultPingPatience
	}
	r := &ping{Ping: p, s: s, see: see, id: rand.Uint64(), waiting: map[int]*pinged{}, first: 1}
	peer, _ := AddrOf(s.Peer())
	r.many = peer.Host.isGroup()
	r.packet = make([]byte, 2+max(p.Size, PingOverhead))
	binary.BigEndian.PutUint16(r.packet, echoRequest)
	for i := 2 + PingOverhead; i < len(r.packet); i++ {
		r.packet[i] = byte(i)
	}

	replies, done := make(chan reply, 64), make(chan struct{})
	go r.receive(replies, done)
	err := r.loop(ctx, replies)
	close(done)
	s.SetReadDeadline(time.Unix(1, 0))
	for range replies { // until receive has ended
	}
	s.SetReadDeadline(time.Time{})
	return err
}

// loop sends requests and takes in what comes.
func (r *ping) loop(ctx context.Context, replies <-chan reply) error {
	next := time.NewTimer(0)
	defer next.Stop()
	lost := time.NewTimer(time.Hour)
	defer lost.Stop()
	for {
		for r.first <= r.sent && r.waiting[r.first] == nil {
			r.first++
		}
		over := r.Count > 0 && r.sent >= r.Count
		if over && r.open == 0 {
			return nil
		}
		if w := r.waiting[r.first]; w != nil {
			lost.Reset(time.Until(w.at.Add(r.Patience)))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next.C:
			if !over && len(r.waiting) < mostPings {
				if err := r.ask(); err != nil {
					return err
				}
			}
			next.Reset(r.Interval)
		case <-lost.C:
			r.expire()
		case a := <-replies:
			if a.err == nil {
				r.take(a)
			} else if err := r.failed(r.sent, a.err); err != nil {
				return err
			}
		}
	}
}

// ask sends a request.
func (r *ping) ask() error {
	r.sent++
	binary.BigEndian.PutUint64(r.packet[2:], r.id)
	binary.BigEndian.PutUint32(r.packet[10:], uint32(r.sent))
	at := time.Now()
	if _, err := r.s.Write(r.packet); err != nil {
		return r.failed(r.sent, err)
	}
	r.waiting[r.sent] = &pinged{at: at}
	r.open++
	return nil
}

// failed tells of an error, and returns it if asking again would not help.
func (r *ping) failed(number int, err error) error {
	for _, hopeless := range []error{net.ErrClosed, os.ErrDeadlineExceeded, syscall.ENETDOWN, syscall.EMSGSIZE, syscall.EACCES, syscall.ENOTCONN} {
		if errors.Is(err, hopeless) {
			return err
		}
	}
	r.see(PingEvent{Number: number, Err: err})
	return nil
}

// expire gives up what was waited for long enough.
func (r *ping) expire() {
	for ; r.first <= r.sent; r.first++ {
		w := r.waiting[r.first]
		if w == nil {
			continue
		}
		if time.Since(w.at) < r.Patience {
			return
		}
		delete(r.waiting, r.first)
		if r.many || w.replied == nil {
			r.open--
		}
		if w.replied == nil {
			r.see(PingEvent{Number: r.first, Lost: true})
		}
	}
}

// take takes in a reply. A request is remembered until its time is over, for
// the sake of duplicates.
func (r *ping) take(a reply) {
	if len(a.data) != len(r.packet) || binary.BigEndian.Uint16(a.data) != echoReply || binary.BigEndian.Uint64(a.data[2:]) != r.id {
		return
	}
	number := int(binary.BigEndian.Uint32(a.data[10:]))
	w := r.waiting[number]
	if w == nil {
		return
	}
	e := PingEvent{Number: number, From: a.from, Size: len(a.data) - 2, Took: a.at.Sub(w.at), Duplicate: w.replied[a.from.Host]}
	if w.replied == nil {
		w.replied = map[HostID]bool{}
		if !r.many {
			r.open--
		}
	}
	w.replied[a.from.Host] = true
	e.Replies = len(w.replied)
	r.see(e)
}

// receive passes on what comes until done is closed, and closes replies.
func (r *ping) receive(replies chan<- reply, done <-chan struct{}) {
	defer close(replies)
	m := socket.Message{Buffers: [][]byte{nil}}
	for {
		m.Buffers[0] = make([]byte, MaxPacket)
		err := r.s.Receive(&m)
		a := reply{at: time.Now(), err: err}
		a.from, _ = AddrOf(m.Peer)
		if err == nil {
			if TypeOf(&m) != TypeEcho {
				continue
			}
			a.data = m.Buffers[0][:m.N]
		}
		select {
		case replies <- a:
		case <-done:
			return
		}
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ENETDOWN) {
			return
		}
	}
}
