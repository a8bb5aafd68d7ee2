package serve

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/internal/sys"
	"zocalo/process"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// onPair runs the program on one end of a socket pair, and copies.
func (r *run) onPair(c *socket.Socket) error {
	return r.copy(c, func() (near *socket.Socket, far *os.File, err error) {
		near, theirs, err := socket.Pair(socket.Unix, c.Type(), 0)
		if err != nil {
			return nil, nil, err
		}
		if far, err = process.Descriptor(theirs); err != nil {
			near.Close()
		}
		return near, far, err
	})
}

// onTerminal runs the program on a pseudo-terminal, and copies.
func (r *run) onTerminal(c *socket.Socket) error {
	if c.Type() != socket.Stream {
		return &socket.UnsupportedError{Feature: "a terminal on a " + c.Kind().String() + " socket", Needs: "a stream"}
	}
	return r.copy(c, func() (*socket.Socket, *os.File, error) {
		t, err := process.OpenTerminal()
		if err != nil {
			return nil, nil, err
		}
		if u := r.command.User; u != nil {
			if err := t.Device.Chown(u.UID, -1); err != nil {
				t.Close()
				return nil, nil, err
			}
		}
		return t.Socket, t.Device, nil
	})
}

// copy runs the program on the far end of a channel that open makes, and copies
// between the near one and the connection until the program is gone and all that
// it wrote was passed on.
func (r *run) copy(c *socket.Socket, open func() (near *socket.Socket, far *os.File, err error)) error {
	var near *socket.Socket
	err := r.whenItCan(c, func() error {
		s, far, err := open()
		if err != nil {
			return err
		}
		if err := r.start(far); err != nil {
			s.Close()
			return err
		}
		near = s
		return nil
	})
	if err != nil {
		return err
	}
	r.gate.Started(c)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.ctx))
	defer cancel()
	datagrams := c.Type() == socket.Datagram
	written := make(chan struct{})
	allWritten := sync.OnceFunc(func() { close(written) })
	var empty atomic.Bool // the last message was the peer's, and empty
	options := join.Options{OnEOF: func(from outcome.Side) {
		switch {
		case from == outcome.B:
			allWritten()
		case datagrams:
			go r.process.Terminate(r.grace()) // the session is over, and no end-of-file can say so
		}
	}}
	if datagrams {
		options.Filter = join.Watch(func(from outcome.Side, _ join.What, data []byte) { empty.Store(from == outcome.A && len(data) == 0) })
	}
	over := func(outcome.Result, error) {}
	if r.Joining != nil {
		over = r.Joining(c, near, &options)
	}
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		result, err := join.Join(ctx, join.End{Socket: c}, join.End{Socket: near}, options)
		over(result, err)
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, os.ErrDeadlineExceeded) {
			r.log.Debug("copying ended", "error", err)
		}
		allWritten()
		r.end()
	}()

	// The time that the program has is that of its words too: a peer that does
	// not read them has no more of it.
	late, stopTimer := r.over()
	defer stopTimer()
	cut := r.wait(late, nil)
	if cut && !datagrams {
		c.Abort() // it must not look complete
	}
	r.finish(cut)
	if datagrams {
		// A process that left the group may go on sending: not for ever.
		ctx, stop := context.WithTimeout(r.ctx, r.grace())
		awaitRead(ctx, near)
		stop()
		if empty.Load() && !cut && r.process.Wait() == nil {
			// Programs take an empty message for the end of their input. One
			// that ended by it has said so, and so is the peer told.
			c.Write(nil)
		}
		near.SetReadDeadline(time.Unix(1, 0)) // which ends the copying, and c
	}
	stop, patience := r.ctx.Done(), late
	if cut {
		// The peer may have last words to read, for as long as the program
		// had to say them.
		timer := time.NewTimer(r.grace())
		defer timer.Stop()
		patience, stop = timer.C, nil
	}
	select {
	case <-written:
	case <-patience:
		r.log.Warn("the peer does not read what the program wrote, and the connection is ended")
		c.Abort()
	case <-stop:
	}
	if !datagrams {
		select {
		case <-joined: // which lingers
		case <-stop:
		}
	}
	cancel()
	<-joined
	return nil
}

// end ends the program, whose peer has gone, in its own time.
func (r *run) end() { go r.process.End(r.grace()) }

// awaitRead waits until the copying has read all that waits in a socket whose other
// end is gone: one without a connection does not tell.
func awaitRead(ctx context.Context, s *socket.Socket) {
	raw, err := s.SyscallConn()
	for waits := true; waits && err == nil && ctx.Err() == nil; {
		if err = raw.Control(func(fd uintptr) { waits = sys.Ready(int(fd), sys.Readable) }); waits {
			time.Sleep(time.Millisecond)
		}
	}
}
