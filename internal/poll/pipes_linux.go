package poll

import (
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
)

// PipeSize is what a pipe is asked to hold, in bytes: the most that a
// process without privilege may ask for (fs.pipe-max-size). Where many pipes
// reach the user's limit the system gives less, which only makes the parts
// smaller.
const PipeSize = 1 << 20

// maxKept is how many empty pipes are kept.
const maxKept = 16

// A Pipe holds bytes on their way between two descriptors.
type Pipe struct {
	R, W int // the ends to splice from and to, nonblocking
}

var kept struct {
	sync.Mutex
	pipes []Pipe
}

// TakePipe returns an empty pipe, kept or new.
func TakePipe() (Pipe, syscall.Errno) {
	kept.Lock()
	if n := len(kept.pipes); n > 0 {
		p := kept.pipes[n-1]
		kept.pipes = kept.pipes[:n-1]
		kept.Unlock()
		return p, 0
	}
	kept.Unlock()
	r, w, errno := sys.Pipe()
	if errno != 0 {
		return Pipe{}, errno
	}
	unix.FcntlInt(uintptr(r), unix.F_SETPIPE_SZ, PipeSize) // or what it has
	return Pipe{r, w}, 0
}

// Give returns an empty pipe.
func (p Pipe) Give() {
	kept.Lock()
	if len(kept.pipes) < maxKept {
		kept.pipes = append(kept.pipes, p)
		kept.Unlock()
		return
	}
	kept.Unlock()
	p.Close()
}

// Close closes a pipe that may hold bytes.
func (p Pipe) Close() {
	sys.Close(p.R)
	sys.Close(p.W)
}

// ClosePipes closes the pipes that are kept, for tests that count
// descriptors.
func ClosePipes() {
	kept.Lock()
	defer kept.Unlock()
	for _, p := range kept.pipes {
		p.Close()
	}
	kept.pipes = nil
}
