package hub

import "testing"

// One sender that floods leaves room for the others.
func TestSharesOfAQueue(t *testing.T) {
	h := Hub{Queue: 8}
	slow := h.newPort("slow")
	put := func(from *port, n int) (queued int) {
		for range n {
			f := newFrame()
			f.source = from
			if slow.queueFrame(f) {
				queued++
			}
			f.release()
		}
		return queued
	}
	flooder := &port{}
	if n := put(flooder, 1000); n != 8 {
		t.Errorf("a flooder has %d frames in the queue; want its 8", n)
	}
	for range 3 {
		if n := put(&port{}, 8); n != 8 {
			t.Errorf("another has %d of 8", n)
		}
	}
	if n := put(&port{}, 8); n != 0 {
		t.Errorf("%d frames found room in a queue that is full", n)
	}
	for len(slow.queue) > 0 {
		slow.done(<-slow.queue)
	}
	if len(slow.share.waiting) != 0 {
		t.Error("an empty queue has shares")
	}
	for range 16 { // more than its shares
		if n := put(&port{}, 2); n != 2 {
			t.Errorf("one of sixteen has %d of 2", n)
		}
	}
}
