package server

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A queue of messages against a slice of them.
func TestMessageQueue(t *testing.T) {
	const limit = 100
	var q messageQueue
	var model [][]byte
	octets := 0
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		if random.IntN(2) == 0 {
			message := bytes.Repeat([]byte{byte(i)}, random.IntN(40))
			need := messageHead + len(message)
			fits := octets == 0 || octets+need <= limit
			if got := q.put(message, limit); got != fits {
				t.Fatalf("put of %d octets to %d = %v", need, octets, got)
			}
			if fits {
				model = append(model, message)
				octets += need
			}
			continue
		}
		if q.empty() != (len(model) == 0) {
			t.Fatalf("empty = %v with %d messages", q.empty(), len(model))
		}
		if len(model) == 0 {
			continue
		}
		if got := q.get(); !bytes.Equal(got, model[0]) {
			t.Fatalf("get = %v, want %v", got, model[0])
		}
		octets -= messageHead + len(model[0])
		model = model[1:]
	}
	if cap(q.b) > 4*limit {
		t.Errorf("the queue has %d octets of memory", cap(q.b))
	}
}
