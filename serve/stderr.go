package serve

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

// stderrLog passes lines from a program's standard error to the log. While the
// program writes nothing it holds no buffer.
type stderrLog struct {
	r, w *os.File
	log  *slog.Logger
	line []byte // begun
	done chan struct{}
}

// maxLine is the most bytes of one line of the log.
const maxLine = 4096

func newStderrLog() (*stderrLog, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &stderrLog{r: r, w: w}, nil
}

// begin begins to read, unless the program was not started.
func (l *stderrLog) begin(log *slog.Logger, started bool) {
	l.w.Close()
	if !started {
		l.r.Close()
		return
	}
	l.log, l.done = log, make(chan struct{})
	go l.read()
}

// end logs what is left, and closes the pipe, whoever else has it open.
func (l *stderrLog) end() {
	l.r.SetReadDeadline(time.Unix(1, 0))
	<-l.done
}

// mostLast is how many bytes are logged at most after the program has ended:
// those of a pipe, many times over, since a read may give less than a line.
const mostLast = 1 << 20

func (l *stderrLog) read() {
	defer close(l.done)
	defer l.r.Close()
	raw, err := l.r.SyscallConn()
	// At the end, what a pipe holds is all there is to take: a process that left
	// the group may write for ever.
	for wait, left := true, mostLast/maxLine; err == nil && left > 0; {
		if !wait {
			left--
		}
		err = l.readSome(raw, wait)
		if wait && errors.Is(err, os.ErrDeadlineExceeded) {
			// Take what is there already, and no more.
			l.r.SetReadDeadline(time.Time{})
			wait, err = false, nil
		}
	}
	if len(l.line) > 0 {
		l.say(l.line)
	}
}

var lineBuffers = sync.Pool{New: func() any { return new([maxLine]byte) }}

// readSome logs what one read of the pipe gives, io.EOF if nothing.
func (l *stderrLog) readSome(raw syscall.RawConn, wait bool) error {
	var n int
	var failed syscall.Errno
	var buffer *[maxLine]byte
	err := raw.Read(func(fd uintptr) bool {
		buffer = lineBuffers.Get().(*[maxLine]byte)
		n, failed = sys.Read(int(fd), buffer[:])
		if failed == syscall.EAGAIN && wait {
			lineBuffers.Put(buffer)
			buffer = nil
			return false
		}
		return true
	})
	if buffer != nil {
		defer lineBuffers.Put(buffer)
	}
	switch {
	case err != nil:
		return err
	case failed != 0:
		return failed
	case n <= 0:
		return io.EOF
	}
	l.split(buffer[:n])
	return nil
}

// split logs whole lines, and keeps what does not end yet.
func (l *stderrLog) split(b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		part := b
		if end >= 0 {
			part = b[:end]
		}
		if room := maxLine - len(l.line); len(part) > room {
			part, end = part[:room], -1
		}
		b = b[len(part):]
		l.line = append(l.line, part...)
		if end >= 0 {
			b = b[1:]
		}
		if end >= 0 || len(l.line) == maxLine {
			l.say(l.line)
			l.line = nil
		}
	}
}

func (l *stderrLog) say(line []byte) {
	l.log.Info("standard error", "line", string(bytes.TrimRight(line, "\r")))
}
