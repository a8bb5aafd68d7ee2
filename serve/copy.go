package serve

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"zocalo/internal/sys"
	"zocalo/process"
	"zocalo/relay"
	"zocalo/socket"
)

// onPair runs the program on one end of a socket pair, and copies.
func (r *run) onPair(c *socket.Socket) error {
	near, far, err := socket.Pair(socket.Unix, c.Type(), 0)
	if err != nil {
		return err
	}
	end, err := process.Descriptor(far)
	if err != nil {
		near.Close()
		return err
	}
	return r.copy(c, near, end)
}

// onTerminal runs the program on a pseudo-terminal, and copies.
func (r *run) onTerminal(c *socket.Socket) error {
	if c.Type() != socket.Stream {
		return &socket.UnsupportedError{Feature: "a terminal on a " + c.Kind().String() + " socket", Needs: "a stream"}
	}
	t, err := process.OpenTerminal()
	if err != nil {
		return err
	}
	if u := r.command.User; u != nil {
		if err := t.Device.Chown(u.UID, -1); err != nil {
			t.Close()
			return err
		}
	}
	return r.copy(c, t.Socket, t.Device)
}

// copy runs the program on far, and copies between near and the connection
// until the program is gone and all that it wrote was passed on.
func (r *run) copy(c, near *socket.Socket, far *os.File) error {
	if err := r.start(far); err != nil {
		near.Close()
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.ctx))
	defer cancel()
	datagrams := c.Type() == socket.Datagram
	written := make(chan struct{})
	allWritten := sync.OnceFunc(func() { close(written) })
	options := relay.Options{OnEOF: func(from relay.Side) {
		switch {
		case from == relay.B:
			allWritten()
		case datagrams:
			r.end() // the session is over, and no end-of-file can say so
		}
	}}
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		_, err := relay.Join(ctx, relay.End{Socket: c}, relay.End{Socket: near}, options)
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, os.ErrDeadlineExceeded) {
			r.log.Debug("copying ended", "error", err)
		}
		allWritten()
		if datagrams {
			r.end()
		}
	}()

	// The time that the program has is that of its words too: a peer that does
	// not read them has no more of it.
	over, stopTimer := r.over()
	defer stopTimer()
	ended := r.wait(over)
	if datagrams {
		// A process that left the group may go on sending: not for ever.
		ctx, stop := context.WithTimeout(r.ctx, r.grace())
		lastDatagrams(ctx, near)
		stop()
	}
	stop, patience := r.ctx.Done(), over
	if ended {
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
	cancel()
	<-joined
	return nil
}

// end ends the program in its own time.
func (r *run) end() { go r.process.Terminate(r.grace()) }

// lastDatagrams ends the reading of a socket whose other end is gone, once
// nothing waits in it: a socket without a connection does not tell.
func lastDatagrams(ctx context.Context, s *socket.Socket) {
	raw, err := s.SyscallConn()
	for waits := true; waits && err == nil && ctx.Err() == nil; {
		if err = raw.Control(func(fd uintptr) { waits = sys.Ready(int(fd), sys.Readable) }); waits {
			time.Sleep(time.Millisecond) // for the copying to read it
		}
	}
	s.SetReadDeadline(time.Unix(1, 0))
}
