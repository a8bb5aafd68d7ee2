package serve

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"zocalo/internal/sys"
	"zocalo/process"
	"zocalo/socket"
)

// run is one run of the program.
type run struct {
	*Program
	ctx     context.Context
	log     *slog.Logger
	release func() // its place among those that run
	command process.Command
	process *process.Process
	stderr  *stderrLog // nil unless it is logged
}

// start starts the program with far as its descriptors 0 and 1, and closes far.
func (r *run) start(far *os.File) error {
	defer far.Close()
	c := &r.command
	c.Stdin, c.Stdout, c.Terminal = far, far, r.Terminal
	if r.Terminal || r.Stderr == Socket {
		c.Stderr = far
	}
	if r.Stderr == Discard {
		c.Stderr = nil
	}
	return r.begin()
}

// whenItCan makes what starts the program for a connection, again and again while
// the system is short of descriptors, processes or memory: other programs may end
// meanwhile. It gives up when the client has gone.
func (r *run) whenItCan(c *socket.Socket, start func() error) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := start()
		if !process.Short(err) {
			return err
		}
		r.gate.Tell(r.log, err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
			timer.Stop()
			return context.Cause(r.ctx)
		}
		if hungUp(c) {
			return errGone
		}
	}
}

var errGone = fmt.Errorf("the client left before there was a program for it: %w", syscall.ECONNRESET)

// hungUp reports whether a connection is over both ways, as far as the system
// can tell.
func hungUp(c *socket.Socket) (over bool) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { over, _, _ = sys.Hangup(int(fd)) })
	}
	return over
}

// begin starts the program, whose descriptors are set, but for those of a log.
func (r *run) begin() (err error) {
	if r.Stderr == Log && !r.Terminal {
		if r.stderr, err = newStderrLog(); err != nil {
			return err
		}
		r.command.Stderr = r.stderr.w
		if r.command.FileNames != nil {
			r.command.Stdout = r.stderr.w
		}
	}
	r.process, err = process.Start(r.command)
	if err == nil {
		r.log = r.log.With("pid", r.process.PID())
	}
	if r.stderr != nil {
		r.stderr.begin(r.log, err == nil)
	}
	return err
}

// over returns a channel that tells when the program's time is over, which
// counts from now; nil for never.
func (r *run) over() (over <-chan time.Time, stop func()) {
	if r.Timeout <= 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(r.Timeout)
	return timer.C, func() { timer.Stop() }
}

// How often it is asked whether the client of a program has gone, and how long
// the program of one that has closed in order may go on with what it was sent.
const (
	lookInterval = time.Second
	closedGrace  = 30 * time.Second
)

// wait waits until the program's group is gone, the end of ctx or of the time it
// has, or until the client of c has gone; c is nil where somebody else sees to
// that. It reports whether the program is still there, to be cut short.
func (r *run) wait(over <-chan time.Time, c *socket.Socket) (cut bool) {
	var look, gone <-chan time.Time
	if c != nil {
		ticker := time.NewTicker(lookInterval)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case <-r.process.Gone():
			return false
		case <-over:
			r.log.Warn("the program ran for too long and is being stopped", "timeout", r.Timeout)
			return true
		case <-r.ctx.Done():
			return true
		case <-gone:
			r.log.Debug("the client left, and its program is being stopped")
			return true
		case <-look:
			if !hungUp(c) {
				continue
			}
			look = nil
			patience := r.grace() // to notice by itself
			if c.Domain() == socket.Unix {
				patience = closedGrace // it may have closed in order, which looks the same
			}
			timer := time.NewTimer(patience)
			defer timer.Stop()
			gone = timer.C
		}
	}
}

// finish ends the program if it is cut short, logs its end, and gives its place to
// another one: the connection may linger.
func (r *run) finish(cut bool) {
	if cut {
		r.process.Terminate(r.grace())
	}
	if r.stderr != nil {
		r.stderr.end()
	}
	status := "exit status 0"
	err := r.process.Wait()
	r.release()
	if err != nil {
		status = err.Error()
	}
	r.log.Info("program ended", "status", status, "took", r.process.Took().Round(time.Microsecond))
}

// onSocket runs the program on the socket itself. This process keeps a
// descriptor of it, to look after what the program leaves behind: input that it
// has not read would reset the connection, ahead of its answer.
func (r *run) onSocket(c *socket.Socket) error {
	err := r.whenItCan(c, func() error {
		end, err := c.File()
		if err != nil {
			return err
		}
		return r.start(end)
	})
	if err != nil {
		return err
	}
	r.gate.Started(c)
	over, stop := r.over()
	defer stop()
	cut := r.wait(over, c)
	r.finish(cut)
	if cut {
		c.Abort() // it must not look complete
	} else {
		c.CloseLingering()
	}
	return nil
}
