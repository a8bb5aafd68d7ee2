package relay

import (
	"context"
	"sync"
	"time"
)

// names are what a TO means, looked up beside the loops and kept for a moment,
// so that a name costs a connection no more than an address does.
type names struct {
	plain *plain

	mu      sync.Mutex
	known   []*candidate
	until   time.Time // when known is to be looked up again
	asking  bool
	waiting []waiting // for the answer
}

// namesKept is for how long what was looked up is used: as good as at once to
// people, and a thousand times to a busy relay. A TO that moves is found after it.
const namesKept = time.Second

// waiting is a connection for which TO is being looked up.
type waiting struct {
	post func(func()) bool
	then func([]*candidate)
}

// get calls then with what TO means: at once if that is known, else by post once
// it is. It means nothing where it cannot be looked up, or is not for a
// loop to connect to. beside runs what may wait.
func (n *names) get(ctx context.Context, beside func(func()), post func(func()) bool, then func([]*candidate)) {
	n.mu.Lock()
	if time.Now().Before(n.until) {
		known := n.known
		n.mu.Unlock()
		then(known)
		return
	}
	defer n.mu.Unlock()
	n.waiting = append(n.waiting, waiting{post, then})
	if !n.asking {
		n.asking = true
		beside(func() { n.ask(ctx) })
	}
}

func (n *names) ask(ctx context.Context) {
	if t := n.plain.timeout; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	known, err := n.plain.candidates(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asking, n.known, n.until = false, known, time.Time{}
	if err == nil {
		n.until = time.Now().Add(namesKept)
	}
	for _, w := range n.waiting {
		w.post(func() { w.then(known) }) // a loop that is over has ended the connection too
	}
	n.waiting = nil
}
