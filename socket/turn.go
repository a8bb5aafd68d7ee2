package socket

import (
	"context"
	"sync"
	"sync/atomic"
)

// A turn is a lock that a context can stop waiting for. One call at a time
// holds the turn of its direction; the others stand in line, first come first
// served. The zero value is free.
type turn struct {
	state atomic.Int32 // 0 free, 1 held, 2 held and somebody waits
	mu    sync.Mutex   // guards line, and the state's change from and to 2
	line  []chan struct{}
}

// take waits for the turn, or for the end of ctx. Only it needs ctx: the
// other reasons to stop waiting end the call that holds the turn.
func (t *turn) take(ctx context.Context) error {
	if t.state.CompareAndSwap(0, 1) {
		return nil
	}
	t.mu.Lock()
	for {
		switch t.state.Load() {
		case 0:
			if t.state.CompareAndSwap(0, 1) {
				t.mu.Unlock()
				return nil
			}
			continue
		case 1:
			if !t.state.CompareAndSwap(1, 2) {
				continue
			}
		}
		break
	}
	mine := make(chan struct{})
	t.line = append(t.line, mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	for i, c := range t.line {
		if c == mine {
			t.line = append(t.line[:i], t.line[i+1:]...)
			if len(t.line) == 0 {
				t.state.Store(1)
			}
			t.mu.Unlock()
			return ctx.Err()
		}
	}
	t.mu.Unlock()
	// The turn was handed over meanwhile: pass it on.
	t.give()
	return ctx.Err()
}

// give ends the turn, handing it to the next in line.
func (t *turn) give() {
	if t.state.CompareAndSwap(1, 0) {
		return
	}
	t.mu.Lock()
	if len(t.line) == 0 {
		// Who stood in line has left meanwhile.
		t.state.Store(0)
		t.mu.Unlock()
		return
	}
	next := t.line[0]
	t.line = t.line[1:]
	if len(t.line) == 0 {
		t.line = nil
		t.state.Store(1)
	}
	t.mu.Unlock()
	close(next)
}
