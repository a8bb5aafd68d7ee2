package serve

import (
	"context"
	"log/slog"
	"os"
	"time"

	"zocalo/process"
	"zocalo/socket"
)

// run is one run of the program.
type run struct {
	*Program
	ctx     context.Context
	log     *slog.Logger
	command process.Command
	process *process.Process
	stderr  *stderrLog // nil unless it is logged
}

// start starts the program with far as its descriptors 0 and 1, and closes
// far.
func (r *run) start(far *os.File) error {
	defer far.Close()
	c := &r.command
	c.Stdin, c.Stdout, c.Stderr, c.Terminal = far, far, nil, r.Terminal
	switch {
	case r.Stderr == Discard:
	case r.Stderr == Socket || r.Terminal:
		c.Stderr = far
	default:
		if err := r.logStderr(); err != nil {
			return err
		}
	}
	return r.begin()
}

// logStderr makes the command's standard error a pipe to the log.
func (r *run) logStderr() error {
	l, err := newStderrLog()
	if err != nil {
		return err
	}
	r.stderr, r.command.Stderr = l, l.w
	return nil
}

// begin starts the program, whose descriptors are set.
func (r *run) begin() (err error) {
	r.process, err = process.Start(r.command)
	if err == nil {
		r.log = r.log.With("pid", r.process.PID())
	}
	if r.stderr != nil {
		r.stderr.begin(r.log, err == nil)
	}
	return err
}

// wait waits until the program's group is gone, and ends it at the end of ctx
// or of the time it has. It reports whether it did.
func (r *run) wait() (ended bool) {
	var over <-chan time.Time
	if r.Timeout > 0 {
		timer := time.NewTimer(r.Timeout)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-r.process.Gone():
	case <-over:
		r.log.Warn("the program has run for too long, and is ended", "timeout", r.Timeout)
		r.process.Terminate(r.grace())
		ended = true
	case <-r.ctx.Done():
		r.process.Terminate(r.grace())
		ended = true
	}
	if r.stderr != nil {
		r.stderr.end()
	}
	status := "exit status 0"
	if err := r.process.Wait(); err != nil {
		status = err.Error()
	}
	r.log.Info("program ended", "status", status, "took", r.process.Took().Round(time.Microsecond))
	return ended
}

// onSocket runs the program on the socket itself.
func (r *run) onSocket(c *socket.Socket) error {
	end, err := process.Descriptor(c)
	if err != nil {
		return err
	}
	if err := r.start(end); err != nil {
		return err
	}
	r.wait()
	return nil
}
