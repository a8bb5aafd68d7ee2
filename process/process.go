package process

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Process is a program that was started.
type Process struct {
	pid    int
	began  time.Time
	exited chan struct{} // closed when the program was reaped
	sent   atomic.Int32  // the last signal of Terminate
	status syscall.WaitStatus
	took   time.Duration
	err    error // of reaping

	mu     sync.Mutex    // a signal is not sent while the group goes
	gone   chan struct{} // closed when no process of the group is left
	isGone bool
}

// Start starts the program, in a process group of its own.
func Start(c Command) (*Process, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	path, err := c.path()
	if err != nil {
		return nil, err
	}
	p := &Process{began: time.Now(), exited: make(chan struct{}), gone: make(chan struct{})}
	fd, err := c.start(path, &p.pid)
	if err != nil {
		return nil, c.startError(err)
	}
	go p.reap(fd)
	return p, nil
}

// PID returns the number of the process, which is that of its group too.
func (p *Process) PID() int { return p.pid }

// Exited returns a channel that is closed when the program has ended and was
// reaped. What it started may go on, see [Process.Gone].
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Gone returns a channel that is closed when no process of the program's group
// is left: neither itself nor one that it started, unless that one has left
// the group (setsid, a job of a shell with a terminal). It may be closed up to
// half a second late where the program was not the last.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Wait waits for the program to end: nil for exit status 0, else an
// [*ExitError].
func (p *Process) Wait() error {
	<-p.exited
	switch {
	case p.err != nil:
		return p.err
	case p.status.Exited() && p.status.ExitStatus() == 0:
		return nil
	}
	return &ExitError{p.status}
}

// Took returns how long the program ran; only once it has exited.
func (p *Process) Took() time.Duration {
	<-p.exited
	return p.took
}

// An ExitError is an exit status that is not 0, or the signal that ended a
// program.
type ExitError struct{ Status syscall.WaitStatus }

// ShellStatus returns what a shell says: the exit status, or 128 and the number of
// the signal.
func (e *ExitError) ShellStatus() int {
	if e.Status.Signaled() {
		return 128 + int(e.Status.Signal())
	}
	return e.Status.ExitStatus()
}

// Error returns "exit status 3" or "signal: killed".
func (e *ExitError) Error() string {
	if e.Status.Signaled() {
		return "signal: " + e.Status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", e.Status.ExitStatus())
}

// Signal sends a signal to the whole process group. Once that is gone, Signal
// answers os.ErrProcessDone.
func (p *Process) Signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isGone {
		return os.ErrProcessDone
	}
	return kill(p.pid, s)
}

// End waits for the process group to end by itself for the time grace, then
// terminates it, see [Process.Terminate].
func (p *Process) End(grace time.Duration) error {
	if !p.goneWithin(grace) {
		return p.Terminate(grace)
	}
	return p.Wait()
}

// Terminate sends SIGTERM to the whole process group, and SIGKILL if it is not
// gone after the time grace. It returns what [Process.Wait] does, when the
// group is gone.
func (p *Process) Terminate(grace time.Duration) error {
	p.sent.Store(int32(syscall.SIGTERM))
	p.Signal(syscall.SIGTERM)
	// A stopped process takes no notice of SIGTERM before it goes on.
	p.Signal(resume)
	if !p.goneWithin(grace) {
		p.sent.Store(int32(syscall.SIGKILL))
		p.Signal(syscall.SIGKILL)
		<-p.gone
	}
	return p.Wait()
}

func (p *Process) goneWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.gone:
		return true
	case <-timer.C:
		return false
	}
}
