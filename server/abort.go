package server

import "sync"

// An abortion ends a Serve at once. It can be asked for before Serve began.
type abortion struct {
	mu      sync.Mutex
	aborted chan struct{} // made by the first who asks
}

// done returns a channel that abort closes.
func (a *abortion) done() chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.aborted == nil {
		a.aborted = make(chan struct{})
	}
	return a.aborted
}

func (a *abortion) abort() {
	c := a.done()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !isClosed(c) {
		close(c)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
