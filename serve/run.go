package serve

import (
	"context"
	"errors"
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
	command process.Command
	process *process.Process
	stderr  *stderrLog // nil unless it is logged
}

// start starts the program with far as its descriptors 0 and 1, and closes
// far: by a reset if there is no program, lest the peer take that for an answer
// that is empty.
func (r *run) start(far *os.File) error {
	c := &r.command
	c.Stdin, c.Stdout, c.Terminal = far, far, r.Terminal
	if r.Terminal || r.Stderr == Socket {
		c.Stderr = far
	}
	if r.Stderr == Discard {
		c.Stderr = nil
	}
	err := r.begin()
	if err != nil {
		sys.SetLinger(int(far.Fd()), 0)
	}
	far.Close()
	return err
}

// begin starts the program, whose descriptors are set, but for those of a log.
// Where descriptors, processes or memory are out it tries again for about a
// second, as other programs may end meanwhile.
func (r *run) begin() error {
	for pause := firstPause; ; pause *= 2 {
		err := r.tryBegin()
		if !short(err) {
			return err
		}
		if pause > lastPause/2 || r.ctx.Err() != nil {
			return &socket.Advised{Err: err, Advice: "raise the limits (ulimit -n, ulimit -u), or run fewer programs at once"}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
			timer.Stop()
		}
	}
}

func (r *run) tryBegin() (err error) {
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

// short reports whether err says that the system is short of something.
func short(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
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

// wait waits until the program's group is gone, and ends it at the end of ctx
// or of the time it has. It reports whether it did.
func (r *run) wait(over <-chan time.Time) (ended bool) {
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
	over, stop := r.over()
	defer stop()
	r.wait(over)
	return nil
}
