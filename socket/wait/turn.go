package wait

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A Turn is a lock whose waiters can be interrupted: that of the writers, or
// the readers, whose calls must not mix. They stand in line, first come first
// served. The zero value is free.
type Turn struct {
	state atomic.Int32 // 0 free, 1 held, 2 held and somebody waits
	mu    sync.Mutex   // guards line, and the state's change from and to 2
	line  []chan struct{}
}

// Take waits for the turn, or for a limit.
func (t *Turn) Take(l *Limits) error {
	passed := l.Deadline.Passed()
	if err := l.over(passed); err != nil {
		return err
	}
	mine := t.queue()
	for mine != nil {
		select {
		case <-mine:
			return nil
		case <-l.Closed:
		case <-passed:
		case <-l.Ctx.Done():
		}
		passed = l.Deadline.Passed()
		if err := l.over(passed); err != nil {
			t.leave(mine)
			return err
		}
	}
	return nil
}

// Wait waits for the turn, or for the end of ctx: for those whose other reasons
// to stop waiting end the call that holds the turn.
func (t *Turn) Wait(ctx context.Context) error {
	mine := t.queue()
	if mine == nil {
		return nil
	}
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
		t.leave(mine)
		return ctx.Err()
	}
}

// TryTake takes the turn if it is free.
func (t *Turn) TryTake() bool { return t.state.CompareAndSwap(0, 1) }

// queue takes the turn if it is free, and returns nil; else it stands in line,
// and returns what is closed once the turn has come.
func (t *Turn) queue() chan struct{} {
	if t.TryTake() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.state.Load() != 2 && !t.state.CompareAndSwap(1, 2) {
		if t.TryTake() {
			return nil
		}
	}
	mine := make(chan struct{})
	t.line = append(t.line, mine)
	return mine
}

// leave leaves the line, and passes the turn on if it came meanwhile.
func (t *Turn) leave(mine chan struct{}) {
	t.mu.Lock()
	i := slices.Index(t.line, mine)
	if i >= 0 {
		if t.line = slices.Delete(t.line, i, i+1); len(t.line) == 0 {
			t.state.Store(1)
		}
	}
	t.mu.Unlock()
	if i < 0 {
		t.Give()
	}
}

// Give ends the turn, handing it to the next in line.
func (t *Turn) Give() {
	if t.state.CompareAndSwap(1, 0) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.line) == 0 { // who stood in line has left meanwhile
		t.state.Store(0)
		return
	}
	close(t.line[0])
	if t.line = t.line[1:]; len(t.line) == 0 {
		t.line = nil
		t.state.Store(1)
	}
}
