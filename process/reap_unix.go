//go:build unix

package process

import (
	"os"
	"syscall"
	"time"
)

// resume lets a stopped process go on.
const resume = syscall.SIGCONT

// kill sends a signal to a process group.
func kill(group int, s syscall.Signal) error { return syscall.Kill(-group, s) }

// reap waits for the program with the descriptor fd of its process, or -1,
// and then for its group.
func (p *Process) reap(fd int) {
	awaitExit(fd)
	p.err = os.NewSyscallError("wait4", wait(p.pid, &p.status))
	p.mu.Lock()
	p.took = time.Since(p.began)
	starter.childEnded()
	close(p.exited)
	p.isGone = !groupExists(p.pid)
	p.mu.Unlock()

	for pause := firstLook; !p.isGone; pause = min(2*pause, lastLook) {
		time.Sleep(pause)
		p.mu.Lock()
		// Where this process is the init of a container, orphans are its
		// children.
		syscall.Wait4(-p.pid, nil, syscall.WNOHANG, nil)
		p.isGone = !groupExists(p.pid) || pause == lastLook && !groupRuns(p.pid)
		p.mu.Unlock()
	}
	close(p.gone)
}

func wait(pid int, status *syscall.WaitStatus) error {
	for {
		if _, err := syscall.Wait4(pid, status, 0, nil); err != syscall.EINTR {
			return err
		}
	}
}

// How often to look whether a group is gone whose leader is.
const (
	firstLook = time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// groupExists reports whether a process group has a process, or a zombie that
// nobody reaped yet. The group's number is not given to another meanwhile,
// see kill(2).
func groupExists(group int) bool { return syscall.Kill(-group, 0) != syscall.ESRCH }
