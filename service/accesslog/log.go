package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"zocalo/address"
	"zocalo/internal/pass"
	"zocalo/internal/say"
	"zocalo/relay"
)

// DefaultQueue bounds the lines that wait, in bytes: about 5000 of them.
const DefaultQueue = 1 << 20

// Options say how a [Log] is to be kept.
type Options struct {
	// Queue bounds the lines that wait to be written, in bytes, besides those that are being
	// written; 0 means DefaultQueue, negative no bound.
	Queue int

	// Log is told when lines cannot be written, and when they can again; nil discards
	// that.
	Log *slog.Logger
}

// A Log writes lines. Any number of goroutines may use one at once.
type Log struct {
	to   string
	sink sink
	log  *slog.Logger
	most int

	mu      sync.Mutex
	wake    sync.Cond
	queue   []byte // whole lines
	lines   int64  // of queue
	lost    int64  // ever
	missing int64  // since the last line that found room
	reopen  bool
	closing bool
	over    chan struct{} // the writer is
}

// A sink is where lines go. Only the writer uses it, but for stop.
type sink interface {
	// write writes whole lines, and returns how many of their bytes are written for good.
	write(lines []byte) (int, error)
	// reopen begins anew. What was open stays in use where it cannot be.
	reopen() error
	// stop ends a write that waits, soon.
	stop()
	close()
}

// Check says what is wrong with the words of Open, without opening anything.
func Check(to string) error {
	_, err := sinkOf(to)
	return err
}

// Open opens a log: to is the path of a file or a named pipe, stdout, stderr, syslog (the socket
// /dev/log), or syslog:ADDRESS, as syslog:udp:loghost:514. The file is there when it
// returns; a syslog is connected when there is something to write.
func Open(to string, o Options) (*Log, error) {
	s, err := sinkOf(to)
	if err != nil {
		return nil, err
	}
	if err := s.reopen(); err != nil {
		return nil, fmt.Errorf("open the access log: %w", err)
	}
	l := &Log{to: to, sink: s, log: o.Log, most: o.Queue, over: make(chan struct{})}
	if l.most == 0 {
		l.most = DefaultQueue
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.wake.L = &l.mu
	go l.write()
	return l, nil
}

// Place is where the words of Open lead: the path of a file, or else the address of a syslog.
// Both are zero for the other places.
func Place(to string) (path string, logger address.Address) {
	switch s, _ := sinkOf(to); s := s.(type) {
	case *file:
		return s.path, logger
	case *syslog:
		return "", s.address
	}
	return "", logger
}

func sinkOf(to string) (sink, error) {
	word, rest, _ := strings.Cut(to, ":")
	switch {
	case to == "":
		return nil, errors.New("the access log has no destination: give a path, stdout, stderr, syslog or syslog:ADDRESS")
	case to == "stdout" || to == "-":
		return &file{standard: 1}, nil
	case to == "stderr":
		return &file{standard: 2}, nil
	case to == "syslog":
		return newSyslog(address.Address{}), nil
	case word == "syslog":
		a, err := address.Parse(rest)
		if err == nil && a.Passive(false) {
			err = fmt.Errorf("%v listens: give an address that can be dialled", a)
		}
		if err != nil {
			return nil, fmt.Errorf("the access log %q: %w", to, err)
		}
		return newSyslog(a), nil
	}
	return newFile(to), nil
}

// Ended writes the line of a pair of a service, for [relay.Hooks] Ended.
func (l *Log) Ended(service string, p relay.Pair) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	before, more := len(l.queue), int64(1)
	if l.missing > 0 {
		l.queue = append(l.queue, `{"time":`...)
		l.queue = appendTime(l.queue, now)
		l.queue = append(l.queue, `,"lost":`...)
		l.queue = strconv.AppendInt(l.queue, l.missing, 10)
		l.queue = append(l.queue, "}\n"...)
		more++
	}
	l.queue = append(appendLine(l.queue, now, service, &p), '\n')
	if l.closing || l.most > 0 && len(l.queue) > l.most && before > 0 {
		l.queue = l.queue[:before]
		l.lost++
		l.missing++
		return
	}
	l.missing = 0
	l.lines += more
	if before == 0 {
		l.wake.Signal()
	}
}

// Lost is how many lines found no room, or were left when the log was closed.
func (l *Log) Lost() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Reopen opens the file of the path anew, and syslog's connection: what is queued goes
// there. It does not wait for that.
func (l *Log) Reopen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reopen = true
	l.wake.Signal()
}

// closeTime is how long Close waits for what is queued.
const closeTime = time.Second

// Close writes what is queued, if that can be done within a second, and closes the log.
// What is told of later is lost.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closing = true
	l.wake.Signal()
	l.mu.Unlock()
	select {
	case <-l.over:
	case <-time.After(closeTime):
		l.sink.stop()
		select {
		case <-l.over:
		case <-time.After(closeTime): // standard output that nobody reads: nothing ends that write
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines > 0 {
		l.lost += l.lines
		l.lines = 0
		return fmt.Errorf("the access log %s: incomplete: %d lines are lost", l.to, l.lost)
	}
	return nil
}

// writeBackoff is before what failed is tried again.
var writeBackoff = pass.Backoff{First: 50 * time.Millisecond, Last: 2 * time.Second}

// write is the writer.
func (l *Log) write() {
	defer close(l.over)
	defer l.sink.close()
	var batch, spare []byte
	var done int // bytes of batch that are written
	var pause time.Duration
	var failing error
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(batch) == done && len(l.queue) == 0 && !l.reopen && !l.closing {
			l.wake.Wait()
		}
		if l.reopen {
			l.reopen = false
			l.mu.Unlock()
			err := l.sink.reopen()
			// A line of which only a part was written begins anew, in another file.
			if err == nil {
				done = bytes.LastIndexByte(batch[:done], '\n') + 1
			} else {
				l.log.Error("the access log could not be reopened: the old file is kept", "to", l.to, "error", say.Error(err))
			}
			pause = 0
			l.mu.Lock()
			continue
		}
		if len(batch) == done {
			if len(l.queue) == 0 { // it is closing
				return
			}
			batch, l.queue, spare, done = l.queue, spare[:0], batch, 0
			if cap(l.queue) > 2*DefaultQueue {
				l.queue = nil // a burst's memory is given back
			}
		}
		left := batch[done:]
		l.mu.Unlock()
		n, err := l.sink.write(left)
		switch {
		case err != nil && failing == nil:
			failing = err
			l.log.Error("the access log cannot be written: lines wait in memory", "to", l.to, "error", say.Error(err))
		case err == nil && failing != nil:
			failing = nil
			l.log.Info("the access log can be written again", "to", l.to, "lost", l.Lost())
		}
		l.mu.Lock()
		l.lines -= int64(bytes.Count(left[:n], newline))
		done += n
		if err == nil || n > 0 {
			pause = 0
		}
		if err == nil {
			if done == len(batch) {
				spare, batch, done = batch[:0], nil, 0
			}
			continue
		}
		if l.closing {
			return
		}
		pause = writeBackoff.After(pause)
		l.waitFor(pause)
		if l.closing { // once more
			l.mu.Unlock()
			n, _ := l.sink.write(batch[done:])
			l.mu.Lock()
			l.lines -= int64(bytes.Count(batch[done:done+n], newline))
			if done+n == len(batch) {
				done += n
				continue
			}
			return
		}
	}
}

var newline = []byte("\n")

// waitFor waits, with mu held, for so long, or until there is another thing to do than
// to write.
func (l *Log) waitFor(d time.Duration) {
	over := false
	t := time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		over = true
		l.wake.Signal()
	})
	defer t.Stop()
	for !over && !l.reopen && !l.closing {
		l.wake.Wait()
	}
}
