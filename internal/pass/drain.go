package pass

import (
	"sync"
	"time"
)

// An Abort ends what is open at once. It may be asked for before there is any. Its
// zero value is ready to use.
type Abort struct {
	once sync.Once
	done chan struct{}
	made sync.Once
}

// Done returns a channel that Now closes.
func (a *Abort) Done() <-chan struct{} {
	a.made.Do(func() { a.done = make(chan struct{}) })
	return a.done
}

// Now asks for it.
func (a *Abort) Now() {
	a.Done()
	a.once.Do(func() { close(a.done) })
}

// DefaultDrain is the limit of a Drain that is 0.
const DefaultDrain = 5 * time.Second

// Drain gives what is open its time: it returns once done is closed, which it then
// reports, the limit is over, where it is not negative, or an abort was asked for.
func Drain(limit time.Duration, done <-chan struct{}, a *Abort) bool {
	var over <-chan time.Time
	if limit == 0 {
		limit = DefaultDrain
	}
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-done:
		return true
	case <-over:
	case <-a.Done():
	}
	return false
}
