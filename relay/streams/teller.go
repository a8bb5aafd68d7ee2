package streams

import "sync"

// A Teller calls a function in a goroutine of its own, in order, with what is
// given to it: for what may wait, as writing to a terminal may, and a loop must
// not. Its zero value is to be started.
type Teller[T any] struct {
	tell  func(T)
	mu    sync.Mutex
	items []T
	more  sync.Cond // there are items, or fewer than there were
	ended bool
	loose int // callers of Boundless
	done  sync.WaitGroup
}

// maxUntold is how many items may wait to be told of. Then the loops do wait.
const maxUntold = 1 << 16

// Start makes it call tell; nil is nobody.
func (t *Teller[T]) Start(tell func(T)) {
	t.tell = tell
	t.more.L = &t.mu
	if tell != nil {
		t.done.Go(t.run)
	}
}

// Add gives it an item.
func (t *Teller[T]) Add(item T) {
	if t.tell == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.items) >= maxUntold && t.loose == 0 {
		t.more.Wait()
	}
	if t.items = append(t.items, item); len(t.items) == 1 {
		t.more.Broadcast()
	}
}

// Boundless calls f, and makes no loop wait meanwhile, however much is untold: for
// what waits for the loops, and may be told itself.
func (t *Teller[T]) Boundless(f func()) {
	t.loosen(1)
	defer t.loosen(-1)
	f()
}

func (t *Teller[T]) loosen(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loose += n
	t.more.Broadcast()
}

func (t *Teller[T]) run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	var spare []T
	for {
		for len(t.items) == 0 && !t.ended {
			t.more.Wait()
		}
		if len(t.items) == 0 {
			return
		}
		items := t.items
		t.items = spare[:0]
		t.more.Broadcast()
		t.mu.Unlock()
		for _, item := range items {
			t.tell(item)
		}
		clear(items)
		spare = items
		t.mu.Lock()
	}
}

// Stop returns when all have been told of.
func (t *Teller[T]) Stop() {
	t.mu.Lock()
	t.ended = true
	t.more.Broadcast()
	t.mu.Unlock()
	t.done.Wait()
}
