package hub

import (
	"context"
	"time"
)

// A Recorder writes down frames; package xns has one that writes a file of
// Wireshark's.
type Recorder interface {
	// FrameAt records a frame that came at that time, and keeps nothing of it.
	FrameAt(at time.Time, frame []byte) error
}

// Record makes r a port of the hub, and gives it all that passes until ctx or
// the hub ends, or r returns an error. One that is slow loses frames.
func (h *Hub) Record(ctx context.Context, r Recorder) error {
	p := h.newPort("recorder")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.interrupt = func() { cancel(nil) }
	if !h.add(p) {
		return nil
	}
	written := make(chan error, 1)
	go func() {
		var err error
		for f := range p.queue {
			if err == nil {
				if err = r.FrameAt(f.at, f.bytes()); err != nil {
					cancel(err)
				}
			}
			p.done(f)
			if len(p.queue) == 0 {
				p.slow.Store(false)
			}
		}
		written <- err
	}()
	<-ctx.Done()
	h.retire(p)
	err := <-written
	h.remove(p)
	return err
}
