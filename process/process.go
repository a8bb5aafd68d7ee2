package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"zocalo/socket"
)

// A Command says which program to start, and with what.
type Command struct {
	// Args are the program and its arguments. A program without a slash is
	// looked for in PATH.
	Args []string

	// Stdin, Stdout and Stderr become descriptors 0, 1 and 2; nil means
	// /dev/null. They stay the caller's, who may close them after Start.
	Stdin, Stdout, Stderr *os.File

	// Dir is the working directory; "" means the caller's.
	Dir string

	// Env is the environment, as "NAME=value"; nil means the caller's.
	Env []string
}

// A Process is a program that was started.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of Wait, once exited is closed
}

// Start starts the program, in a process group of its own.
func Start(c Command) (*Process, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("no program was named")
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	if c.Stdin != nil {
		cmd.Stdin = c.Stdin
	}
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	if c.Stderr != nil {
		cmd.Stderr = c.Stderr
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, startError(c.Args[0], err)
	}
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	go p.reap()
	return p, nil
}

func startError(program string, err error) error {
	err = fmt.Errorf("start %q: %w", program, err)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return &socket.Advised{Err: err, Advice: "give its path, or put it in PATH"}
	case errors.Is(err, os.ErrPermission):
		return &socket.Advised{Err: err, Advice: "it must be executable"}
	}
	return err
}

func (p *Process) reap() {
	p.err = p.cmd.Wait()
	close(p.exited)
}

// PID returns the number of the process, which is that of its group too.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited returns a channel that is closed when the program has ended and was
// reaped.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Wait waits for the program to end: nil for exit status 0, else an
// *exec.ExitError.
func (p *Process) Wait() error {
	<-p.exited
	return p.err
}

// Signal sends a signal to the whole process group. Once the program was
// reaped there is none to send to, and Signal answers os.ErrProcessDone.
func (p *Process) Signal(s syscall.Signal) error {
	select {
	case <-p.exited:
		return os.ErrProcessDone
	default:
	}
	return syscall.Kill(-p.PID(), s)
}

// End waits for the program to end by itself for the time grace, then sends
// SIGTERM, and after the same time again SIGKILL, to the whole process group.
// It returns when the program was reaped.
func (p *Process) End(grace time.Duration) error {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		timer := time.NewTimer(grace)
		select {
		case <-p.exited:
			timer.Stop()
			return p.err
		case <-timer.C:
			p.Signal(s)
		}
	}
	return p.Wait()
}
