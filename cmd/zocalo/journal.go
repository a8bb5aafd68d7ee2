package main

import (
	"bytes"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

// A journal is a stream of whole lines, as standard error for all that the
// command says, written in their order by a goroutine. Who says something waits
// until it is written, so that it stands where it belongs beside what else is
// printed, but not for a reader who does not read: then lines queue up, and
// those that find no room are counted.
type journal struct {
	write func([]byte) error
	lost  func(lines int64) string // says how many were

	mu      sync.Mutex
	queue   []byte
	ends    int64         // bytes queued, ever
	written int64         // of these
	moved   chan struct{} // closed, and made anew, whenever some were written
	running bool
	late    bool  // a line was not written in time: none waits until all are
	stuck   bool  // nothing moved for long: nothing waits until something does
	err     error // the first of writing
	missing int64 // lines that found no room, since the last that did
	gone    int64 // and ever, up to then
}

const (
	maxQueued = 1 << 20
	// maxPiece is what is written at once: what a pipe takes as a whole.
	maxPiece = 4096

	linePatience  = 100 * time.Millisecond
	dumpPatience  = time.Second // without anything that moves
	flushPatience = time.Second
)

func newJournal(write func([]byte) error, lost func(int64) string) *journal {
	return &journal{write: write, lost: lost, moved: make(chan struct{})}
}

// say writes lines that nothing may wait for.
func (j *journal) say(lines []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.room(lines) {
		j.missing += count(lines)
		return
	}
	end := j.add(lines)
	if !j.late && !j.await(linePatience, false, func() bool { return j.written >= end }) {
		j.late = true
	}
}

// dump writes lines that ought to be complete: they wait for a reader who is
// slow, and do so no longer for one who does not read.
func (j *journal) dump(lines []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	wait := func(holds func() bool) bool {
		if !j.stuck && !j.await(dumpPatience, true, holds) {
			j.stuck = true
		}
		return holds()
	}
	if !wait(func() bool { return j.room(lines) }) {
		j.missing += count(lines)
		return
	}
	end := j.add(lines)
	wait(func() bool { return j.written >= end })
}

// lostLines is how many lines found no room, ever.
func (j *journal) lostLines() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.gone + j.missing
}

func count(lines []byte) int64 { return int64(bytes.Count(lines, []byte("\n"))) }

func (j *journal) room(lines []byte) bool {
	return len(j.queue) == 0 || len(j.queue)+len(lines) <= maxQueued
}

// add queues lines, after a line on those that are missing before them, and
// returns where they end.
func (j *journal) add(lines []byte) (end int64) {
	if n := j.missing; n > 0 {
		j.missing = 0
		j.gone += n
		j.add([]byte(j.lost(n)))
	}
	j.queue = append(j.queue, lines...)
	j.ends += int64(len(lines))
	if !j.running {
		j.running = true
		go j.run()
	}
	return j.ends
}

// await waits, with mu held, until something holds, and reports whether it
// does: for so long, or for so long without anything that moves.
func (j *journal) await(patience time.Duration, moving bool, holds func() bool) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for !holds() {
		moved, over := j.moved, false
		j.mu.Unlock()
		select {
		case <-moved:
			if moving {
				timer.Reset(patience)
			}
		case <-timer.C:
			over = true
		}
		j.mu.Lock()
		if over {
			return holds()
		}
	}
	return true
}

// run writes until nothing is queued.
func (j *journal) run() {
	j.mu.Lock()
	defer j.mu.Unlock()
	var piece []byte
	for len(j.queue) > 0 || j.missing > 0 {
		if len(j.queue) == 0 {
			j.add(nil)
		}
		piece = append(piece[:0], j.queue[:pieceOf(j.queue)]...)
		j.queue = j.queue[:copy(j.queue, j.queue[len(piece):])]
		j.mu.Unlock()
		err := j.write(piece)
		j.mu.Lock()
		if j.err == nil {
			j.err = err
		}
		j.written += int64(len(piece))
		j.stuck = false
		close(j.moved)
		j.moved = make(chan struct{})
	}
	j.running, j.late = false, false
}

// failure is the first error of writing, once all that can be is written.
func (j *journal) failure() error {
	j.flush()
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// flush waits, for a bounded time, until all is written.
func (j *journal) flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.await(flushPatience, false, func() bool { return !j.running })
}

// pieceOf returns how much of what is queued to write at once: whole lines.
func pieceOf(queue []byte) int {
	if len(queue) <= maxPiece {
		return len(queue)
	}
	if i := bytes.LastIndexByte(queue[:maxPiece], '\n'); i >= 0 {
		return i + 1
	}
	if i := bytes.IndexByte(queue, '\n'); i >= 0 {
		return i + 1
	}
	return len(queue)
}

// survivingWrite returns what writes to a stream and loses what cannot be
// written. A file is written to behind package os, which would end the program
// where nobody reads standard error any more.
func survivingWrite(to io.Writer) func([]byte) error {
	f, isFile := to.(*os.File)
	if !isFile || runtime.GOOS == "windows" { // which knows no SIGPIPE
		return func(b []byte) error {
			_, err := to.Write(b)
			return err
		}
	}
	return func(b []byte) (failed error) {
		raw, err := f.SyscallConn()
		if err != nil {
			return err
		}
		raw.Write(func(fd uintptr) bool {
			for len(b) > 0 {
				n, errno := sys.Write(int(fd), b)
				switch errno {
				case 0:
				case syscall.EAGAIN:
					return false
				default:
					failed = errno
					return true
				}
				b = b[n:]
			}
			return true
		})
		return failed
	}
}
