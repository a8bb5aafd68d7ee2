package bridge

import "sync"

// A teller calls OnEnd in a goroutine, since the loops must not wait for it.
type teller struct {
	tell  func(Pair)
	mu    sync.Mutex
	pairs []Pair
	more  sync.Cond // there are pairs, or fewer than there were
	ended bool
	done  sync.WaitGroup
}

// maxUntold is how many pairs may wait to be told of. Then the loops do wait.
const maxUntold = 1 << 16

func (t *teller) start(tell func(Pair)) {
	t.tell = tell
	t.more.L = &t.mu
	if tell != nil {
		t.done.Go(t.run)
	}
}

func (t *teller) add(p Pair) {
	if t.tell == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.pairs) >= maxUntold {
		t.more.Wait()
	}
	if t.pairs = append(t.pairs, p); len(t.pairs) == 1 {
		t.more.Broadcast()
	}
}

func (t *teller) run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	var spare []Pair
	for {
		for len(t.pairs) == 0 && !t.ended {
			t.more.Wait()
		}
		if len(t.pairs) == 0 {
			return
		}
		pairs := t.pairs
		t.pairs = spare[:0]
		t.more.Broadcast()
		t.mu.Unlock()
		for _, p := range pairs {
			t.tell(p)
		}
		clear(pairs)
		spare = pairs
		t.mu.Lock()
	}
}

// stop returns when all have been told of.
func (t *teller) stop() {
	t.mu.Lock()
	t.ended = true
	t.more.Broadcast()
	t.mu.Unlock()
	t.done.Wait()
}
