//go:build unix

package process

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// start starts the program found at path. It stores the number of the process,
// and returns a descriptor of it, -1 where the system has none.
func (c *Command) start(path string, pid *int) (pidfd int, err error) {
	files, done, err := c.files()
	if err != nil {
		return -1, err
	}
	defer done()
	pidfd = -1
	attr := &syscall.ProcAttr{Env: c.environment(), Files: files, Sys: &syscall.SysProcAttr{
		Setpgid: !c.Terminal && !c.Session, Setsid: c.Terminal || c.Session, Setctty: c.Terminal,
	}}
	attributes(attr.Sys, &pidfd)
	if c.shimmed() {
		err = c.startShim(path, attr, pid)
	} else {
		attr.Dir = c.Dir
		attr.Sys.Credential = c.User.credential()
		err = startProcess(path, c.Args, attr, pid)
	}
	// The files must live until here, since only their numbers were passed.
	runtime.KeepAlive(c)
	if err != nil && pidfd >= 0 {
		syscall.Close(pidfd) // of a shim that failed
	}
	return pidfd, err
}

// files returns the descriptors of the program, in order.
func (c *Command) files() (fds []uintptr, done func(), err error) {
	done = func() {}
	var null *os.File
	for _, f := range append([]*os.File{c.Stdin, c.Stdout, c.Stderr}, c.Files...) {
		if f == nil {
			if null == nil {
				if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
					return nil, done, err
				}
				done = func() { null.Close() }
			}
			f = null
		}
		fds = append(fds, f.Fd())
	}
	return fds, done, nil
}

func startProcess(path string, args []string, attr *syscall.ProcAttr, pid *int) (err error) {
	starter.do(func() { *pid, _, err = syscall.StartProcess(path, args, attr) })
	if err != nil {
		starter.childEnded()
	}
	return err
}

// starter starts all programs of this process. Since the death of the thread
// that started a program is what the kernel takes for that of its parent (see
// PR_SET_PDEATHSIG), and Go ends threads when it likes, that thread belongs to
// one goroutine, which is there as long as there are children.
var starter thread

type thread struct {
	mu       sync.Mutex
	work     chan func()   // nil while there is no thread
	idle     chan struct{} // of capacity 1: there are no children now
	children int
}

// idleThread is how long the thread stays for the next child.
const idleThread = 20 * time.Millisecond

// do runs f on the thread, for a child that f starts.
func (t *thread) do(f func()) {
	t.mu.Lock()
	t.children++
	if t.work == nil {
		t.work, t.idle = make(chan func()), make(chan struct{}, 1)
		go t.run(t.work, t.idle)
	}
	work := t.work
	t.mu.Unlock()
	done := make(chan struct{})
	work <- func() { f(); close(done) }
	<-done
}

// childEnded says that a child of do is no more.
func (t *thread) childEnded() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.children--; t.children == 0 {
		select {
		case t.idle <- struct{}{}:
		default:
		}
	}
}

func (t *thread) run(work <-chan func(), idle <-chan struct{}) {
	runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
	timer := time.NewTimer(idleThread)
	defer timer.Stop()
	for {
		select {
		case f := <-work:
			f()
		case <-idle:
			timer.Reset(idleThread)
		case <-timer.C:
			t.mu.Lock()
			if t.children == 0 {
				t.work = nil
				t.mu.Unlock()
				return
			}
			t.mu.Unlock()
		}
	}
}
