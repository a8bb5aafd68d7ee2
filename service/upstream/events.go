package upstream

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// events are what the log is to be told, by a goroutine of its own: a log that nobody
// reads keeps no pair waiting.
type events struct {
	queue chan func(*slog.Logger)
	lost  atomic.Int64
}

// maxEvents is how many wait for the log.
const maxEvents = 1 << 10

func (e *events) init() { e.queue = make(chan func(*slog.Logger), maxEvents) }

func (e *events) add(f func(*slog.Logger)) {
	select {
	case e.queue <- f:
	default:
		e.lost.Add(1)
	}
}

// start begins to write. The func that it returns writes what is left and ends that; a log
// that takes nothing is given a moment.
func (e *events) start(l *slog.Logger) (end func()) {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case f := <-e.queue:
				f(l)
				continue
			default:
			}
			select {
			case f := <-e.queue:
				f(l)
			case <-over:
				return
			}
		}
	}()
	return func() {
		close(over)
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
}

// LostEvents is how many lines the log did not take in time.
func (p *Pool) LostEvents() int64 { return p.log.lost.Load() }
