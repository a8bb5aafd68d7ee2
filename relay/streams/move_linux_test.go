package streams_test

import (
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"zocalo/relay/outcome"
	"zocalo/socket"
)

// Conns that are handed from loop to loop all the time lose nothing, urgent
// bytes and the kinds of their ends included.
func TestMoved(t *testing.T) {
	for _, kinds := range kindPairs {
		t.Run(kinds[0].String()+" to "+kinds[1].String(), func(t *testing.T) {
			r := relaying(t, kinds[0], kinds[1], 2, nil)
			stop := make(chan struct{})
			var moving sync.WaitGroup
			moving.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(100 * time.Microsecond):
						r.group.MoveAll()
					}
				}
			})
			for n := range 100 {
				rng := rand.New(rand.NewPCG(uint64(n), 3))
				exercise(t, r, [2]script{randomScript(rng), randomScript(rng)}, rng, false)
			}
			close(stop)
			moving.Wait()
			if n := r.group.Open(); n != 0 {
				t.Errorf("%d are open at the end", n)
			}
		})
	}
}

// Bulk spreads over the loops, whichever accepted it.
func TestBulkSpreads(t *testing.T) {
	const flows = 8
	r := relaying(t, tcp, tcp, 2, nil)
	var passing sync.WaitGroup
	var ends []*socket.Socket
	for range flows {
		a, b := r.pair()
		ends = append(ends, a, b)
		passing.Go(func() {
			data := make([]byte, 1<<20)
			for err := error(nil); err == nil; {
				_, err = a.Write(data)
			}
		})
		passing.Go(func() { io.Copy(io.Discard, b) })
	}
	await(t, "the loops splice as much as each other", func() bool {
		bulk := r.group.Bulk()
		return bulk[0]+bulk[1] == flows && bulk[0] == flows/2
	})
	for _, s := range ends {
		s.Close()
	}
	passing.Wait()
	await(t, "nothing is spliced any more", func() bool {
		bulk := r.group.Bulk()
		return bulk[0] == 0 && bulk[1] == 0
	})
}

// What is open while the group drains is not cut off by being handed to a loop
// that has nothing left.
func TestMovedAsItDrains(t *testing.T) {
	r := relaying(t, tcp, tcp, 2, nil)
	a, b := r.pair()
	writes(t, a, "before")
	wants(t, b, "before")
	r.group.MoveAsItDrains(r.stop)
	writes(t, a, "after")
	wants(t, b, "after")
	a.Close()
	b.Close()
	r.wantsEnding(outcome.Finished)
	try(t, <-r.over)
}
