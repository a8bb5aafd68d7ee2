package wait

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// One at a time holds the turn, those that leave the line do no harm, and
// nobody is forgotten.
func TestTurn(t *testing.T) {
	var turn Turn
	var holders, taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				ctx, cancel := context.WithCancel(t.Context())
				if rand.N(2) == 0 {
					go cancel()
				}
				err := turn.Wait(ctx)
				if err == nil {
					if holders.Add(1) != 1 {
						t.Error("two hold the turn")
					}
					taken.Add(1)
					holders.Add(-1)
					turn.Give()
				}
				cancel()
			}
		})
	}
	all.Wait()
	if turn.state.Load() != 0 || len(turn.line) != 0 {
		t.Errorf("at the end: state %d, %d in line", turn.state.Load(), len(turn.line))
	}
	t.Logf("%d of %d took the turn", taken.Load(), 8*2000)
}

// The holder gives while the last in line leaves.
func TestTurnLeftByTheLast(t *testing.T) {
	for range 2000 {
		var turn Turn
		turn.Wait(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			if turn.Wait(ctx) == nil {
				turn.Give()
			}
			close(done)
		}()
		for turn.state.Load() != 2 {
			runtime.Gosched()
		}
		// Both come to the lock while it is held, the one that leaves first.
		turn.mu.Lock()
		cancel()
		for range 5 {
			runtime.Gosched()
		}
		given := make(chan struct{})
		go func() { turn.Give(); close(given) }()
		for range 5 {
			runtime.Gosched()
		}
		turn.mu.Unlock()
		<-given
		<-done
		if turn.state.Load() != 0 {
			t.Fatal("the turn was not given back")
		}
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	var turn Turn
	turn.Wait(t.Context())
	order := make(chan int, 10)
	var all sync.WaitGroup
	for i := range cap(order) {
		all.Go(func() {
			turn.Wait(t.Context())
			order <- i
			turn.Give()
		})
		for {
			turn.mu.Lock()
			n := len(turn.line)
			turn.mu.Unlock()
			if n == i+1 {
				break
			}
			runtime.Gosched()
		}
	}
	turn.Give()
	all.Wait()
	for i := range cap(order) {
		if got := <-order; got != i {
			t.Fatalf("number %d came as number %d", got, i)
		}
	}
}
