package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"zocalo/socket"
)

// etherType is the one of XNS, and all that a bridge passes.
const etherType = 0x0600

// leastFrame is the least of a frame on Ethernet, in bytes, without its check
// sequence.
const leastFrame = 60

// Bridge makes a socket whose messages are the frames of an Ethernet a port of
// the hub, until ctx or the hub ends, or the socket fails: one of domain
// packet, type Raw, with the option promisc, since frames are for the hub's
// clients. Only frames of type 0x0600 pass, those to the Ethernet filled up to
// its least of 60 bytes. A station is on one side: a frame that comes back
// from the other one is not repeated, but counted.
//
// It does not close the socket. Programs on the same machine that send by the
// same interface are not heard: the system shows a socket only what comes in.
func (h *Hub) Bridge(ctx context.Context, s *socket.Socket) error {
	if !s.Type().Bounded() {
		return &socket.UnsupportedError{Feature: "a bridge to a " + s.Kind().String() + " socket", Needs: "one whose messages are frames, such as packet"}
	}
	p := h.newPort("bridge " + s.Name().String())
	p.ethernet = true
	p.interrupt = func() { s.SetReadDeadline(past) }
	if !h.add(p) {
		return nil
	}
	h.bridged.Store(true)
	stop := context.AfterFunc(ctx, func() { s.SetDeadline(past) })
	defer stop()
	written := make(chan struct{})
	go func() {
		defer close(written)
		p.sendTo(s)
	}()
	err := h.readBridge(p, s)
	h.retire(p)
	s.SetWriteDeadline(time.Now().Add(flushTime))
	<-written
	h.remove(p)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// readBridge repeats what comes from the Ethernet until the socket fails.
func (h *Hub) readBridge(p *port, s *socket.Socket) error {
	var m socket.Message
	for {
		f := newFrame()
		m.SetData(f.data[:Longest])
		err := s.Receive(&m)
		f.n, f.at, f.source = m.N, time.Now(), p
		switch {
		case errors.Is(err, socket.ErrTruncated), err == nil && !f.well():
			p.refused.Add(1)
		case errors.Is(err, syscall.ENETDOWN): // told once; the interface may come back
		case err != nil:
			f.release()
			return err
		case f.etherType() == etherType:
			p.took(f)
			h.repeat(p, f)
		}
		f.release()
	}
}

// sendTo sends frames to the Ethernet until the queue ends. What an interface
// does not take, as while it is down, is lost, and counted.
func (p *port) sendTo(s *socket.Socket) {
	for f := range p.queue {
		var short [leastFrame]byte
		frame := f.bytes()
		if len(frame) < leastFrame {
			copy(short[:], frame)
			frame = short[:]
		}
		if _, err := s.Write(frame); err != nil {
			p.lost.Add(1)
		} else {
			p.sent(f)
		}
		p.done(f)
		if len(p.queue) == 0 {
			p.slow.Store(false)
		}
	}
}
