package hub

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

const (
	// DefaultQueue is how many frames wait for a port where [Hub.Queue] does
	// not say.
	DefaultQueue = 256
	// MaxQueue is the most that may wait: some 100 MiB where a port takes
	// nothing at all.
	MaxQueue = 1 << 16

	flushTime     = time.Second // for what is queued for a client that ended its side
	keepaliveIdle = time.Minute // after so long a silent client is asked whether it is there
)

// A Hub repeats frames between its ports. The zero Hub is ready; the fields
// must not change once it has a port.
type Hub struct {
	// Queue is how many frames of one sender wait for a port that is slow; more
	// are lost to it, and counted. Four times as many wait in all, in equal parts
	// where there are more senders. 0 or less means DefaultQueue, and more than
	// MaxQueue is that.
	Queue int

	// Log is told which ports lose frames, once for each time that they begin
	// to; nil discards that.
	Log *slog.Logger

	mu       sync.RWMutex
	ports    map[*port]bool // whether they take frames; those that leave do not
	finished bool
	gone     Counts // of the ports that have left

	bridged  atomic.Bool
	stations stations
}

// A Line is a connection of a client, and what passed over it.
type Line struct {
	Peer    string
	Framing Framing
	Counts
}

// Serve makes a connected stream a line of the hub, until the client ends it,
// or ctx or the hub does, and returns what passed. An end by the client or by
// [Hub.Finish] is no error. It does not close the socket, which is good for
// nothing else afterwards.
//
// Where the stream can, keepalive finds a client that vanished, and small
// frames do not wait for more.
func (h *Hub) Serve(ctx context.Context, c *socket.Socket) (Line, error) {
	option.NoDelay.Set(c, true) // what lacks these has no need of them
	option.KeepAlive.Set(c, true)
	option.KeepAliveIdle.Set(c, keepaliveIdle)

	p := h.newPort(c.Peer().String())
	p.interrupt = func() { c.SetReadDeadline(past) }
	r := NewReader(c, Detect)
	if !h.add(p) {
		return Line{Peer: p.name}, nil
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(past) })
	defer stop()
	written := make(chan error, 1)
	go func() {
		err := p.writeTo(c)
		if err != nil {
			p.interrupt()
		}
		written <- err
	}()
	err := h.readLine(p, r)
	h.retire(p)
	if !h.isFinished() { // else the time to drain bounds it
		c.SetWriteDeadline(time.Now().Add(flushTime))
	}
	wrote := <-written
	h.remove(p)
	line := Line{Peer: p.name, Framing: r.Framing(), Counts: p.counts()}
	switch {
	case ctx.Err() != nil:
		return line, context.Cause(ctx)
	case err == io.EOF:
		return line, nil
	case errors.Is(err, os.ErrDeadlineExceeded): // the writer failed, or the hub ends
		return line, wrote
	}
	return line, err
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// readLine repeats what a client sends until its stream ends.
func (h *Hub) readLine(p *port, r *Reader) error {
	if err := r.detect(); err != nil {
		return err
	}
	p.framing.Store(uint32(r.Framing()))
	for {
		f := newFrame()
		n, err := r.Next(f.data[:Longest])
		if err != nil {
			f.release()
			return err
		}
		f.n, f.at, f.source = n, time.Now(), p
		if !f.well() || r.Framing() == NetHub && n > MaxFrame {
			p.refused.Add(1)
		} else {
			p.took(f)
			h.repeat(p, f)
		}
		f.release()
	}
}

// repeat queues a frame for all ports but the one that it came from.
func (h *Hub) repeat(from *port, f *frame) {
	known := !h.bridged.Load() || h.stations.seen(f.from(), from.ethernet)
	if !known && from.ethernet {
		from.looped.Add(1)
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for p, takes := range h.ports {
		switch {
		case p == from, !takes, p.ethernet && f.etherType() != etherType:
		case p.ethernet && !known:
			from.looped.Add(1)
		case !p.queueFrame(f) && !p.slow.Swap(true):
			h.log().Warn("a port is slow, and frames are lost to it", "port", p.name)
		}
	}
}

// Finish ends the hub in good order: nothing more is taken in, lines end when
// what is in their queues is sent, and new ones at once. It does not wait.
func (h *Hub) Finish() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.finished = true
	for p := range h.ports {
		p.interrupt()
	}
}

func (h *Hub) isFinished() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.finished
}

// Counts returns what has passed until now, over all ports.
func (h *Hub) Counts() Counts {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := h.gone
	for p := range h.ports {
		all.add(p.counts())
	}
	return all
}

func (h *Hub) log() *slog.Logger {
	if h.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.Log
}

// add makes p take part, unless the hub is finished.
func (h *Hub) add(p *port) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.finished {
		return false
	}
	if h.ports == nil {
		h.ports = map[*port]bool{}
	}
	h.ports[p] = true
	return true
}

// retire ends the queue of p, which its writer then empties.
func (h *Hub) retire(p *port) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ports[p] = false
	close(p.queue)
}

// remove forgets p, but not what passed.
func (h *Hub) remove(p *port) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.ports, p)
	h.gone.add(p.counts())
}
